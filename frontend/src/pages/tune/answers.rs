//! What the server answers, or why that is of no use.

use crate::failure::Failure;
use crate::words;
use tupate_api::Problem;

/// The server refused.
pub fn refused(what: &str, status: u16, problem: Option<&Problem>) -> Failure {
    let mut detail = match problem {
        Some(problem) => problem.detail.clone(),
        None => format!("The server answered with HTTP status {status}."),
    };
    for field in problem.into_iter().flat_map(|problem| &problem.errors) {
        detail.push_str(&format!(" {}: {}", field.field, field.detail));
        if !detail.ends_with('.') {
            detail.push('.');
        }
    }
    let remedy = match status {
        401 => "Type a token that is valid; “tupate token create” makes one.",
        403 => "Use a token that may do this, or ask its owner.",
        404 | 409 => "Look at the run as it is now, and decide again.",
        413 | 422 => "Change what is said above, and try again.",
        429 => "Wait a moment and try again.",
        507 => "Remove runs or uploads that are not needed any more.",
        _ => "Try again; the server’s log has more.",
    };
    Failure { title: what.to_owned(), detail, remedy: remedy.to_owned() }
}

/// Reads an answer.
pub fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| other_version(&error.to_string()))
}

/// The answer is not one that this page knows.
pub fn other_version(why: &str) -> Failure {
    Failure {
        title: "The server’s answer is not understood".into(),
        detail: format!("{}.", words::clipped(why, 300)),
        remedy: "Page and server may be of different versions: reload the page.".into(),
    }
}
