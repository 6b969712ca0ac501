//! What the server answers, or why that is of no use.

use crate::failure::Failure;
use crate::words;
use tupate_api::Problem;

/// There is no answer, or only one of what stands before the server.
pub fn silent() -> Failure {
    Failure {
        title: "The server does not answer".into(),
        detail: "This page cannot ask it what it tunes.".into(),
        remedy: "It may have been stopped: try again when it is back.".into(),
    }
}

/// What a field of a request is called on the page.
fn word(field: &str) -> &str {
    match field {
        "data.upload" => "The file",
        "data.task" => "The task",
        "columns" => "Columns",
        "name" => "Name",
        "method" => "Method",
        "encoder" => "Encoder",
        "epochs" => "Epochs",
        "learning_rates" => "Learning rates",
        "max_train" => "Most examples",
        "ranking.zoo" => "Zoo",
        "ranking.similarity" => "Similarity",
        field if field.starts_with("runs") => "Runs",
        field => field,
    }
}

/// The server refused.
pub fn refused(what: &str, status: u16, problem: Option<&Problem>) -> Failure {
    let fields = problem.map_or(&[][..], |problem| &problem.errors);
    let fields = fields.iter().map(|wrong| {
        let told = format!("{}: {}", word(&wrong.field), wrong.detail);
        if told.ends_with('.') { told } else { told + "." }
    });
    let fields = fields.collect::<Vec<_>>().join(" ");
    let detail = match problem {
        // Then it speaks of nothing but these.
        _ if !fields.is_empty() => fields,
        Some(problem) => problem.detail.clone(),
        None => format!("The server answered with HTTP status {status}."),
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_of_fields_says_nothing_but_what_is_wrong_with_them() {
        let problem = |errors| {
            let text = json!({
                "type": "about:blank", "title": "Unprocessable Content", "status": 422,
                "detail": "Some fields cannot be used; `errors` says which, and why.",
                "errors": errors,
            });
            serde_json::from_value::<Problem>(text).unwrap()
        };
        let fields = json!([
            { "field": "data.upload", "detail": "ragged:3: too few cells" },
            { "field": "max_length", "detail": "must be from 8 to 4096." },
        ]);
        let told = refused("No run", 422, Some(&problem(fields))).detail;
        assert_eq!(told, "The file: ragged:3: too few cells. max_length: must be from 8 to 4096.");
        assert!(refused("No run", 422, Some(&problem(json!([])))).detail.starts_with("Some"));
        assert!(refused("No run", 500, None).detail.ends_with("HTTP status 500."));
    }
}
