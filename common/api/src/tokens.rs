//! What a token allows.

use serde::{Deserialize, Serialize};

/// One thing that a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read runs and zoos where reading is not open to all.
    Read,
    /// Upload data; create, cancel, resume and delete runs of one's own.
    Tune,
    /// Publish runs of one's own as zoos, and take back zoos of one's own.
    Publish,
    /// All of that, and for everybody's runs and zoos.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Tune, Self::Publish, Self::Admin];

    /// Its name on the command line and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Tune => "tune",
            Self::Publish => "publish",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Whether having this scope is enough where `other` is asked for.
    pub fn covers(self, other: Self) -> bool {
        self == Self::Admin || self == other
    }
}

/// Answer of `GET /api/v1/token`: what is known of the token that was sent. The
/// secret itself is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenInfo {
    /// Its id, by which it is revoked.
    pub id: String,
    /// The name given to it.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made, in milliseconds since 1970.
    pub created: u64,
    /// When it ends, in milliseconds since 1970; `null` for never.
    pub expires: Option<u64>,
}
