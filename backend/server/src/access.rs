//! Who may do what.

use crate::ids::{Digest, random};
use crate::problem::Failure;
use crate::routes::Shared;
use crate::store::{NewToken, Owner, TokenStore, now};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tupate_api::{Scope, TokenInfo};

/// Who may read and write.
#[derive(Clone, Default)]
pub struct Access {
    /// Where tokens are kept; without it nobody has one.
    pub tokens: Option<Arc<dyn TokenStore>>,
    /// Whether reading runs and zoos needs a token, too.
    pub private: bool,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("private", &self.private).finish_non_exhaustive()
    }
}

/// In front of every secret, so that people and scanners know one when they see it.
const PREFIX: &str = "tupate_";

/// Makes a token, with the secret that is told once and kept nowhere: 256 random
/// bits, so that its plain sha256 tells nobody anything.
pub fn new_token(name: &str, scopes: &[Scope], expires: Option<u64>) -> (NewToken, String) {
    let secret = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random::<32>()));
    let id = crate::ids::hex(&random::<6>());
    let mut scopes = scopes.to_vec();
    scopes.sort();
    scopes.dedup();
    let info = TokenInfo { id, name: name.to_owned(), scopes, created: now(), expires };
    let secret_sha256 = Digest::of(secret.as_bytes()).as_str().to_owned();
    (NewToken { info, secret_sha256 }, secret)
}

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);

/// Who asks: with a token, or not.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub Option<TokenInfo>);

impl Caller {
    /// The token, if it allows this.
    pub fn with(&self, scope: Scope) -> Result<&TokenInfo, Failure> {
        let token = self.0.as_ref().ok_or(Failure::Unauthorised(
            "This needs a token: send it as `Authorization: Bearer TOKEN`. `tupate token create` \
             makes one on the machine of the server.",
        ))?;
        match token.scopes.iter().any(|own| own.covers(scope)) {
            true => Ok(token),
            false => Err(Failure::Forbidden(scope)),
        }
    }

    /// The owner that this token is, if it allows this.
    pub fn owner(&self, scope: Scope) -> Result<Owner, Failure> {
        let token = self.with(scope)?;
        Ok(Owner { id: token.id.clone(), name: token.name.clone() })
    }

    /// Whether this token may change what belongs to `owner`.
    pub fn may_change(&self, scope: Scope, owner: &str) -> Result<(), Failure> {
        let token = self.with(scope)?;
        match token.id == owner || token.scopes.contains(&Scope::Admin) {
            true => Ok(()),
            false => Err(Failure::NotYours),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self(None)))
    }
}

/// Finds out who asks, holds back those who ask too often, and closes what is not
/// open to all.
pub(crate) async fn guard(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&shared, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(failure) => failure.into_response(),
    }
}

async fn admit(shared: &Shared, request: &Parts) -> Result<Caller, Failure> {
    let path = request.uri.path();
    let api = path.starts_with("/api/");
    // Writing asks for a scope of its own, as reading what is one's own does. Questions that
    // browsers ask before a request carry no token and do nothing.
    let reads = request.method.is_safe() && request.method != Method::OPTIONS;
    let own = path == "/api/v1/token" || path.starts_with("/api/v1/uploads");
    let closed = shared.access.private
        && reads
        && !own
        && (api || path.starts_with("/zoos/") || path == "/metrics");
    let peer = request
        .extensions
        .get::<Peer>()
        .map(|peer| crate::proxy::client(peer.0.ip(), &shared.trusted_proxies, &request.headers));
    let caller = match secret(&request.headers)? {
        None => Caller(None),
        Some(secret) => {
            let token = match &shared.access.tokens {
                Some(tokens) => tokens.token(Digest::of(secret.as_bytes()).as_str()).await?,
                None => None,
            };
            if token.is_none() {
                shared.rates.guessed(peer)?;
                return Err(Failure::Unauthorised(
                    "This token is not known here, has ended or was revoked.",
                ));
            }
            Caller(token)
        }
    };
    if closed {
        caller.with(Scope::Read)?;
    }
    if api {
        let who = caller.0.as_ref().map(|token| token.id.as_str());
        shared.rates.may_ask(who, peer, request.method.is_safe())?;
    }
    Ok(caller)
}

/// The secret that a request carries.
fn secret(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    match text {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(secret.trim())),
        _ => Err(Failure::Unauthorised("The header Authorization must be `Bearer TOKEN`.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_told_once_and_kept_as_digests() {
        let scopes = [Scope::Tune, Scope::Read, Scope::Tune];
        let (token, secret) = new_token("ci", &scopes, None);
        assert_eq!(secret.len(), PREFIX.len() + 43);
        assert_eq!(token.secret_sha256, Digest::of(secret.as_bytes()).as_str());
        assert!(!format!("{token:?}").contains(&secret));
        assert_eq!(token.info.scopes, [Scope::Read, Scope::Tune]);
        assert_ne!(new_token("ci", &scopes, None).1, secret);
    }

    #[test]
    fn a_scope_allows_itself_and_admin_all() {
        let caller = |scopes: &[Scope]| Caller(Some(new_token("a", scopes, None).0.info));
        assert!(caller(&[Scope::Tune]).with(Scope::Tune).is_ok());
        assert!(matches!(
            caller(&[Scope::Tune, Scope::Read]).with(Scope::Publish),
            Err(Failure::Forbidden(Scope::Publish))
        ));
        for scope in Scope::ALL {
            assert!(caller(&[Scope::Admin]).with(scope).is_ok());
            assert!(matches!(Caller(None).with(scope), Err(Failure::Unauthorised(_))));
        }
        let tuner = caller(&[Scope::Tune]);
        let own = tuner.0.as_ref().unwrap().id.clone();
        assert!(tuner.may_change(Scope::Tune, &own).is_ok());
        assert!(matches!(tuner.may_change(Scope::Tune, "other"), Err(Failure::NotYours)));
        assert!(caller(&[Scope::Admin]).may_change(Scope::Tune, "other").is_ok());
    }
}
