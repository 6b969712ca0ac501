//! The API's description: as OpenAPI for programs, as one page for people.
//!
//! The page is written once at start from the same document. Swagger's or
//! Redoc's would be megabytes of script in the binary, or come from elsewhere.

use super::{info, runs, uploads, zoos};
use crate::page::File;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use std::fmt::Write;
use std::sync::LazyLock;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tupate",
        description = "Tuning runs, watched live; zoos of task embeddings. Errors are problem \
                       documents (RFC 9457). Times are milliseconds since 1970. Zoo files are at \
                       /zoos/NAME.safetensors, for every origin; with ?sha256=HEX they never change."
    ),
    paths(
        info::info, info::offers, info::token, uploads::create, uploads::list, uploads::read, uploads::remove, runs::create,
        runs::list, runs::read, runs::events, runs::zoo, runs::cancel, runs::finish, runs::resume,
        runs::remove,
        zoos::publish, zoos::remove,
    ),
    modifiers(&Token),
    tags((name = "server"), (name = "uploads"), (name = "runs"), (name = "zoos")),
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The OpenAPI document.
pub fn openapi() -> String {
    Api::openapi().to_json().unwrap_or_default()
}

const STYLE: &str = "\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; } h3 { margin: 2rem 0 .25rem; } p { margin: .25rem 0 .75rem; }
code, .method { font-family: ui-monospace, monospace; font-size: .95em; }
.method { font-weight: 700; text-transform: uppercase; }
.lock { font-size: .85em; opacity: .75; }
table { border-collapse: collapse; width: 100%; margin: .25rem 0 1rem; }
td { border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent);
  padding: .3rem .75rem .3rem 0; vertical-align: top; }
td:first-child { white-space: nowrap; width: 12rem; }
";

static FILES: LazyLock<[File; 3]> = LazyLock::new(|| {
    let json = openapi();
    let document = serde_json::from_str(&json).unwrap_or_default();
    let file = |name: &str, content: String| File::new(name, Bytes::from(content));
    [
        file("openapi.json", json),
        file("docs.html", html(&document)),
        file("docs.css", STYLE.to_owned()),
    ]
});

/// `/api/openapi.json`.
pub(crate) async fn json(request: HeaderMap) -> Response {
    FILES[0].answer(&request)
}

/// `/api/docs`.
pub(crate) async fn page(request: HeaderMap) -> Response {
    FILES[1].answer(&request)
}

/// `/api/docs.css`: a page without inline styles.
pub(crate) async fn style(request: HeaderMap) -> Response {
    FILES[2].answer(&request)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn words(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn html(document: &Value) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tupate: \
         API</title><meta name=\"viewport\" content=\"width=device-width\"><link \
         rel=\"stylesheet\" href=\"/api/docs.css\"></head><body><main>\n",
    );
    let info = &document["info"];
    let _ = writeln!(
        page,
        "<h1>{} API {}</h1><p>{}</p><p>For programs: <a href=\"/api/openapi.json\">\
         /api/openapi.json</a> (OpenAPI {}).</p>",
        words(&info["title"]),
        words(&info["version"]),
        words(&info["description"]),
        words(&document["openapi"])
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let _ = writeln!(page, "<h2>{}</h2>", words(&tag["name"]));
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if operation["tags"][0] == tag["name"] {
                    describe(&mut page, path, method, operation);
                }
            }
        }
    }
    page.push_str("<h2>Types</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(
            page,
            "<h3 id=\"{0}\">{0}</h3><p>{1}</p>",
            escaped(name),
            words(&schema["description"])
        );
        fields(&mut page, schema);
    }
    page.push_str("</main></body></html>\n");
    page
}

fn describe(page: &mut String, path: &str, method: &str, operation: &Value) {
    let lock = match operation["security"].is_array() {
        true => " <span class=\"lock\">needs a token</span>",
        false => "",
    };
    let _ = write!(
        page,
        "<h3><span class=\"method\">{}</span> <code>{}</code>{lock}</h3><p>{} {}</p><table>",
        escaped(method),
        escaped(path),
        words(&operation["summary"]),
        words(&operation["description"])
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        row(
            page,
            &format!("{} ({})", words(&parameter["name"]), words(&parameter["in"])),
            &format!("{} {}", kind(&parameter["schema"]), words(&parameter["description"])),
        );
    }
    for (media, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        row(page, "body", &format!("{} as <code>{}</code>", kind(&body["schema"]), escaped(media)));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let content = response["content"].as_object().into_iter().flatten();
        let kinds: Vec<_> = content.map(|(_, body)| kind(&body["schema"])).collect();
        let told = format!("{} {}", kinds.join(", "), words(&response["description"]));
        row(page, &escaped(status), &told);
    }
    page.push_str("</table>\n");
}

/// The fields of an object, or the variants of a choice.
fn fields(page: &mut String, schema: &Value) {
    page.push_str("<table>");
    if let Some(names) = schema["enum"].as_array() {
        let names: Vec<_> = names.iter().map(words).collect();
        row(page, "one of", &names.join(", "));
    }
    for variant in ["oneOf", "allOf"].iter().flat_map(|key| schema[*key].as_array()).flatten() {
        let tag = &variant["properties"]["kind"]["enum"][0];
        let name = if tag.is_string() { words(tag) } else { "also".to_owned() };
        let inner: Vec<_> = variant["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, schema)| format!("<code>{}</code> {}", escaped(name), kind(schema)))
            .collect();
        let told = match inner.is_empty() {
            true => kind(variant),
            false => format!("{} {}", words(&variant["description"]), inner.join("; ")),
        };
        row(page, &name, &told);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let required =
            schema["required"].as_array().is_some_and(|all| all.iter().any(|r| r == name));
        let optional = if required { "" } else { ", may be left out" };
        let told = format!("{}{optional}. {}", kind(field), words(&field["description"]));
        row(page, &format!("<code>{}</code>", escaped(name)), &told);
    }
    page.push_str("</table>\n");
}

fn row(page: &mut String, left: &str, right: &str) {
    let _ = write!(page, "<tr><td>{left}</td><td>{right}</td></tr>");
}

/// The type of a value, with a link to where it is described.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escaped(name));
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => escaped(name),
        Value::Array(names) => names.iter().map(words).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_path_and_type_and_nothing_from_elsewhere() {
        let document: Value = serde_json::from_str(&openapi()).unwrap();
        let page = html(&document);
        for path in document["paths"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        }
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
        for link in page.split("href=\"#").skip(1) {
            let name = link.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        assert!(
            !page.contains("http://") && !page.contains("https://") && !page.contains("<script")
        );
        assert!(page.contains("needs a token"));
        // What an upload may come as.
        let bodies = &document["paths"]["/api/v1/uploads"]["post"]["requestBody"]["content"];
        for kind in ["text/csv", "text/tab-separated-values", "application/jsonl"] {
            let schema = &bodies[kind]["schema"];
            assert_eq!((&schema["type"], &schema["format"]), (&"string".into(), &"binary".into()));
        }
        let form = &bodies["multipart/form-data"]["schema"]["properties"]["file"];
        assert_eq!(form["format"], "binary");
    }
}
