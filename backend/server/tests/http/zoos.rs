//! `/zoos/NAME.safetensors`.

use crate::support::{Running, header, problem, zoo_bytes};
use reqwest::{Method, StatusCode};
use tupate_zoo::sha256_hex;

const ZOO: &str = "/zoos/glue.safetensors";

#[tokio::test]
async fn the_bytes_come_with_their_digest_for_every_origin() {
    let server = Running::start().await;
    let bytes = zoo_bytes("glue");
    for method in [Method::GET, Method::HEAD] {
        let response =
            server.request(method.clone(), ZOO, &[("origin", "https://elsewhere.example")]).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers().clone();
        assert_eq!(header(&headers, "etag"), format!("\"{}\"", sha256_hex(&bytes)));
        assert_eq!(header(&headers, "content-type"), "application/octet-stream");
        assert_eq!(header(&headers, "content-length"), bytes.len().to_string());
        assert_eq!(header(&headers, "cache-control"), "no-cache");
        assert_eq!(header(&headers, "accept-ranges"), "bytes");
        assert_eq!(header(&headers, "access-control-allow-origin"), "*");
        let exposed = header(&headers, "access-control-expose-headers");
        assert!(exposed.contains("etag") && exposed.contains("content-length"), "{exposed}");
        let body = response.bytes().await.unwrap();
        assert_eq!(&body[..], if method == Method::GET { &bytes[..] } else { b"" });
    }
}

#[tokio::test]
async fn a_url_with_the_digest_is_immutable() {
    let server = Running::start().await;
    let digest = sha256_hex(&zoo_bytes("glue"));
    for digest in [digest.clone(), digest.to_uppercase()] {
        let response = server.get(&format!("{ZOO}?sha256={digest}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let cache = header(response.headers(), "cache-control");
        assert_eq!(cache, "public, max-age=31536000, immutable");
    }
    for wrong in ["0".repeat(64), String::new(), "%ff".into(), "9".repeat(5000)] {
        let response = server.get(&format!("{ZOO}?sha256={wrong}")).await;
        assert_eq!(header(response.headers(), "access-control-allow-origin"), "*");
        let detail = problem(response, StatusCode::NOT_FOUND).await;
        assert!(detail.contains(&digest) && detail.contains("without sha256"), "{detail}");
        assert!(detail.len() < 500);
    }
    let other_keys = server.get(&format!("{ZOO}?version=2&&=")).await;
    assert_eq!(header(other_keys.headers(), "cache-control"), "no-cache");
}

#[tokio::test]
async fn a_copy_that_is_still_right_is_not_sent_again() {
    let server = Running::start().await;
    let tag = format!("\"{}\"", sha256_hex(&zoo_bytes("glue")));
    let weak = format!("W/{tag}");
    let among = format!("\"x\", {tag}");
    for condition in [tag.as_str(), &weak, &among, "*"] {
        let response = server.get_with(ZOO, &[("if-none-match", condition)]).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{condition}");
        assert_eq!(header(response.headers(), "etag"), tag);
        assert_eq!(header(response.headers(), "cache-control"), "no-cache");
        assert!(response.bytes().await.unwrap().is_empty());
    }
    for condition in ["\"x\"", "nonsense", ""] {
        let response = server.get_with(ZOO, &[("if-none-match", condition)]).await;
        assert_eq!(response.status(), StatusCode::OK, "{condition}");
    }
}

#[tokio::test]
async fn one_range_is_a_part() {
    let server = Running::start().await;
    let bytes = zoo_bytes("glue");
    let length = bytes.len();
    for (asked, from, to) in [
        ("bytes=0-7".to_owned(), 0, 8),
        ("bytes=8-".to_owned(), 8, length),
        ("bytes=-5".to_owned(), length - 5, length),
        (format!("bytes=10-{}", length + 10), 10, length),
    ] {
        let response = server.get_with(ZOO, &[("range", &asked)]).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{asked}");
        let position = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(header(response.headers(), "content-range"), position);
        assert_eq!(header(response.headers(), "content-length"), (to - from).to_string());
        assert_eq!(response.bytes().await.unwrap(), &bytes[from..to]);
    }
    for asked in ["bytes=0-1,3-4", "bytes=x-y", "items=0-1"] {
        let response = server.get_with(ZOO, &[("range", asked)]).await;
        assert_eq!(response.status(), StatusCode::OK, "{asked}");
        assert_eq!(response.bytes().await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_a_problem() {
    let server = Running::start().await;
    let length = zoo_bytes("glue").len();
    let response = server.get_with(ZOO, &[("range", &format!("bytes={length}-"))]).await;
    assert_eq!(header(response.headers(), "content-range"), format!("bytes */{length}"));
    let detail = problem(response, StatusCode::RANGE_NOT_SATISFIABLE).await;
    assert!(detail.contains(&length.to_string()), "{detail}");
}

#[tokio::test]
async fn a_range_of_an_older_file_is_answered_with_the_whole() {
    let server = Running::start().await;
    let tag = format!("\"{}\"", sha256_hex(&zoo_bytes("glue")));
    let ask = async |condition: &str| {
        let headers = [("range", "bytes=0-7"), ("if-range", condition)];
        server.get_with(ZOO, &headers).await.status()
    };
    assert_eq!(ask(&tag).await, StatusCode::PARTIAL_CONTENT);
    assert_eq!(ask("\"older\"").await, StatusCode::OK);
    assert_eq!(ask("Sun, 06 Nov 1994 08:49:37 GMT").await, StatusCode::OK);
    // The same, but by a weak comparison, or by none.
    let weak = format!("W/{tag}");
    for condition in [&weak, tag.trim_matches('"'), "nonsense", ""] {
        assert_eq!(ask(condition).await, StatusCode::OK, "{condition}");
    }
}

#[tokio::test]
async fn a_head_is_of_the_whole() {
    let server = Running::start().await;
    for asked in ["bytes=0-7", "bytes=9999999-"] {
        let response = server.request(Method::HEAD, ZOO, &[("range", asked)]).await;
        assert_eq!(response.status(), StatusCode::OK, "{asked}");
        let length = zoo_bytes("glue").len().to_string();
        assert_eq!(header(response.headers(), "content-length"), length);
        assert_eq!(header(response.headers(), "content-range"), "");
    }
}

#[tokio::test]
async fn a_file_that_the_client_does_not_mean_is_not_sent() {
    let server = Running::start().await;
    let tag = format!("\"{}\"", sha256_hex(&zoo_bytes("glue")));
    let (weak, among) = (format!("W/{tag}"), format!("\"x\", {tag}"));
    for condition in [&tag, &among, "*"] {
        let headers = [("if-match", condition), ("range", "bytes=0-7")];
        let response = server.get_with(ZOO, &headers).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{condition}");
    }
    for condition in [weak.as_str(), "\"x\"", "nonsense", ""] {
        let headers = [("if-match", condition), ("origin", "https://elsewhere.example")];
        let response = server.get_with(ZOO, &headers).await;
        assert_eq!(header(response.headers(), "access-control-allow-origin"), "*");
        problem(response, StatusCode::PRECONDITION_FAILED).await;
    }
}

#[tokio::test]
async fn other_origins_may_ask_conditionally() {
    let server = Running::start().await;
    let headers = [
        ("origin", "https://elsewhere.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "if-none-match"),
    ];
    let response = server.request(Method::OPTIONS, ZOO, &headers).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(response.headers(), "access-control-allow-origin"), "*");
    let allowed = header(response.headers(), "access-control-allow-headers");
    assert!(allowed.contains("if-none-match"), "{allowed}");
}

#[tokio::test]
async fn unknown_zoos_are_problems_that_other_origins_may_read() {
    let server = Running::start().await;
    for name in ["other.safetensors", "glue", "GLUE.safetensors", "%ff%fe", "%00"] {
        let response = server.get(&format!("/zoos/{name}")).await;
        assert_eq!(header(response.headers(), "access-control-allow-origin"), "*");
        let detail = problem(response, StatusCode::NOT_FOUND).await;
        assert!(detail.contains("/api/v1/info"), "{detail}");
    }
}

#[tokio::test]
async fn no_path_reaches_the_file_system() {
    let server = Running::start().await;
    for path in [
        "/zoos/../Cargo.toml",
        "/zoos/..%2fCargo.toml",
        "/zoos/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/zoos/..%5c..%5cetc%5cpasswd",
        "/zoos//etc/passwd",
        "/zoos/%2fetc%2fpasswd",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/index.html/../../Cargo.toml",
        "/zoos/glue.safetensors/../../Cargo.toml",
        "/zoos/glue.safetensors%00.html",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = server.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
    }
}
