//! The page and its files.

use crate::support::{Running, config, header, problem};
use reqwest::{Method, StatusCode};
use tupate_server::{Page, ZooFiles};

const SCRIPT: &str = "/app-0123456789abcdef.js";

#[tokio::test]
async fn files_have_their_types_and_lifetimes() {
    let server = Running::start().await;
    let forever = "public, max-age=31536000, immutable";
    for (path, kind, cache) in [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        (SCRIPT, "text/javascript; charset=utf-8", forever),
        ("/app-0123456789abcdef_bg.wasm", "application/wasm", forever),
        ("/service-worker.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/manifest.webmanifest", "application/manifest+json", "no-cache"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(response.headers(), "content-type"), kind, "{path}");
        assert_eq!(header(response.headers(), "cache-control"), cache, "{path}");
        let head = server.request(Method::HEAD, path, &[]).await;
        assert_eq!(head.headers().get("content-length"), response.headers().get("content-length"));
        assert_eq!(head.headers().get("etag"), response.headers().get("etag"));
    }
}

#[tokio::test]
async fn the_policy_names_the_inline_scripts_of_the_page() {
    let server = Running::start().await;
    let response = server.get("/").await;
    let policy = header(response.headers(), "content-security-policy");
    // Each script of the page is the same one.
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval' 'sha256-"), "{policy}");
    for directive in [
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src *",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|own| own == directive), "{directive}: {policy}");
    }
    assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
}

#[tokio::test]
async fn the_twins_of_the_build_are_used() {
    let server = Running::start().await;
    let response = server.get_with(SCRIPT, &[("accept-encoding", "gzip, deflate, br")]).await;
    assert_eq!(header(response.headers(), "content-encoding"), "br");
    assert_eq!(header(response.headers(), "vary"), "accept-encoding");
    assert_eq!(header(response.headers(), "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(response.bytes().await.unwrap(), "the twin made by the build");
    // Twins are forms of a file, no files of their own.
    problem(server.get(&format!("{SCRIPT}.br")).await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn what_has_no_twin_is_compressed_if_that_pays() {
    let server = Running::start().await;
    let plain = server.get(SCRIPT).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(header(plain.headers(), "vary"), "accept-encoding");
    let plain_tag = header(plain.headers(), "etag").to_owned();
    let plain = plain.bytes().await.unwrap();

    let response = server.get_with(SCRIPT, &[("accept-encoding", "gzip")]).await;
    assert_eq!(header(response.headers(), "content-encoding"), "gzip");
    let tag = header(response.headers(), "etag").to_owned();
    assert_ne!(tag, plain_tag);
    let mut unpacked = Vec::new();
    let body = response.bytes().await.unwrap();
    assert!(body.len() < plain.len());
    std::io::copy(&mut flate2::read::GzDecoder::new(&body[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain);

    let again = [("accept-encoding", "gzip"), ("if-none-match", tag.as_str())];
    let response = server.get_with(SCRIPT, &again).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(response.headers(), "vary"), "accept-encoding");

    let small = server.get_with("/service-worker.js", &[("accept-encoding", "gzip, br")]).await;
    assert!(!small.headers().contains_key("content-encoding"));
    assert!(!small.headers().contains_key("vary"));
}

#[tokio::test]
async fn without_a_page_the_root_says_how_to_build_it() {
    let mut config = config();
    config.page = Page::default();
    let server = Running::with(config, ZooFiles::default()).await;
    let response = server.get("/").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(response.headers(), "content-type"), "text/plain; charset=utf-8");
    assert!(response.text().await.unwrap().contains("cargo xtask build"));
    assert_eq!(server.get("/api/v1/info").await.status(), StatusCode::OK);
    problem(server.get("/index.html").await, StatusCode::NOT_FOUND).await;
}
