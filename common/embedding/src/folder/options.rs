//! Options of foreign configurations: understood, harmless, or refused by name.

use super::CONFIG_FILE;
use super::tensors::bad;
use crate::Error;
use serde_json::Value;

/// Refuses every option that is on and stands in neither list. Options that are
/// off change nothing, and one that nobody here has heard of might.
pub(super) fn check(config: &Value, understood: &[&str], harmless: &[&str]) -> Result<(), Error> {
    let Some(options) = config.as_object() else {
        return Err(bad(CONFIG_FILE, "is not a JSON object"));
    };
    for (option, value) in options {
        if is_on(value) && !understood.contains(&&**option) && !harmless.contains(&&**option) {
            return Err(refused(option, value, "it may change what the numbers mean"));
        }
    }
    Ok(())
}

fn is_on(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(_) | Value::String(_) => true,
    }
}

/// The refusal of an option's value.
pub(super) fn refused(option: &str, value: &Value, why: &str) -> Error {
    let mut shown = value.to_string();
    if shown.chars().count() > 60 {
        shown = shown.chars().take(60).chain("…".chars()).collect();
    }
    bad(CONFIG_FILE, format!("{option} is {shown}, which is not supported: {why}"))
}

/// A positive whole number, small enough to be one of an adapter's dimensions.
pub(super) fn whole(config: &Value, option: &str) -> Result<usize, Error> {
    config[option]
        .as_u64()
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| (1..=1 << 24).contains(n))
        .ok_or_else(|| bad(CONFIG_FILE, format!("{option} must be a positive whole number")))
}

/// A positive number.
pub(super) fn positive(option: &str, value: &Value) -> Result<f64, Error> {
    value
        .as_f64()
        .filter(|a| a.is_finite() && *a > 0.0)
        .ok_or_else(|| bad(CONFIG_FILE, format!("{option} must be a positive number")))
}

/// A name that says something.
pub(super) fn name(value: &Value) -> Option<String> {
    value.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}
