//! Headers that every answer carries.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use sha2::{Digest, Sha256};

/// The security headers. Scripts are those of the page's own files and the
/// inline ones of `index`, by their hashes.
pub(crate) fn headers(index: Option<&[u8]>) -> HeaderMap {
    let csp = content_security_policy(index.unwrap_or_default());
    HeaderMap::from_iter([
        (header::CONTENT_SECURITY_POLICY, csp),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ])
}

fn content_security_policy(index: &[u8]) -> HeaderValue {
    let mut scripts = "script-src 'self' 'wasm-unsafe-eval'".to_owned();
    for script in inline_scripts(index) {
        let hash = BASE64_STANDARD.encode(Sha256::digest(&script));
        scripts.push_str(&format!(" 'sha256-{hash}'"));
    }
    // A visitor may open a zoo from anywhere: connections are not limited.
    let policy = [
        "default-src 'none'",
        &scripts,
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src *",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    .join("; ");
    HeaderValue::from_str(&policy).expect("directives and base64 are printable ASCII")
}

/// The text of each `<script>` without a `src`, as a browser hashes it.
fn inline_scripts(html: &[u8]) -> Vec<Vec<u8>> {
    let mut emitter = DefaultEmitter::default();
    // Script text is text: a `<` in it opens no tag.
    emitter.naively_switch_states(true);
    let mut scripts = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Token::StartTag(tag) if *tag.name == b"script" => {
                open = (!tag.attributes.contains_key(&b"src"[..])).then(Vec::new);
            }
            Token::String(text) => {
                if let Some(script) = &mut open {
                    script.extend_from_slice(&text);
                }
            }
            Token::EndTag(tag) if *tag.name == b"script" => scripts.extend(open.take()),
            _ => {}
        }
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts_are_found_as_a_browser_finds_them() {
        let html = br#"<!doctype html><!-- <script>comment</script> -->
            <SCRIPT type="module">if (1 < 2) { "<b>" }</SCRIPT>
            <script src="a.js"></script><script data-src="a > b">second</script><p>text"#;
        assert_eq!(inline_scripts(html), [&b"if (1 < 2) { \"<b>\" }"[..], b"second"]);
        assert!(inline_scripts(b"").is_empty());
    }

    #[test]
    fn the_policy_allows_them_by_hash() {
        let policy = content_security_policy(b"<script>alert('Hello, world.');</script>");
        let text = policy.to_str().unwrap();
        // The example that the CSP specification itself gives.
        assert!(text.contains("'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"), "{text}");
        assert!(text.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval' "));
    }
}
