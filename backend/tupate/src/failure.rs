//! Failures as the shell sees them.

use std::process::ExitCode;

/// Why a command did not do its work; the kind decides the exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It failed while running: exit code 1.
    #[error("{0}")]
    Run(String),
    /// It was asked for wrongly: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The input is bad: exit code 3.
    #[error("{0}")]
    Input(String),
}

impl Failure {
    /// The exit code of the command contract.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
            Self::Input(_) => 3,
        })
    }

    /// The same failure with what was being done in front.
    pub fn while_doing(self, what: impl std::fmt::Display) -> Self {
        match self {
            Self::Run(e) => Self::Run(format!("{what}: {e}")),
            Self::Usage(e) => Self::Usage(format!("{what}: {e}")),
            Self::Input(e) => Self::Input(format!("{what}: {e}")),
        }
    }
}

impl From<tupate_tuner::Error> for Failure {
    fn from(error: tupate_tuner::Error) -> Self {
        let text = error.to_string();
        if error.is_wrong_usage() {
            Self::Usage(text)
        } else if error.is_bad_input() {
            Self::Input(text)
        } else {
            Self::Run(text)
        }
    }
}

impl From<tupate_tuner::data::Error> for Failure {
    fn from(error: tupate_tuner::data::Error) -> Self {
        tupate_tuner::Error::from(error).into()
    }
}

impl From<tupate_tuner::encoder::Error> for Failure {
    fn from(error: tupate_tuner::encoder::Error) -> Self {
        tupate_tuner::Error::from(error).into()
    }
}

impl From<tupate_tuner::files::WriteError> for Failure {
    fn from(error: tupate_tuner::files::WriteError) -> Self {
        Self::Run(error.to_string())
    }
}

impl From<tupate_zoo::Error> for Failure {
    fn from(error: tupate_zoo::Error) -> Self {
        use tupate_zoo::Error as E;
        match &error {
            E::UnknownTask { .. } | E::UnknownSet { .. } | E::Ambiguous(_) => {
                Self::Usage(error.to_string())
            }
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<tupate_server::Error> for Failure {
    fn from(error: tupate_server::Error) -> Self {
        match &error {
            tupate_server::Error::Zoo { .. }
            | tupate_server::Error::ReadZoo { .. }
            | tupate_server::Error::EmptyFolder { .. } => Self::Input(error.to_string()),
            _ => Self::Run(error.to_string()),
        }
    }
}
