//! The page's program: compiled, cut into parts, bound to JavaScript, made small.
//!
//! trunk makes the rest of the page and calls this when it is done (a hook in
//! `Trunk.toml`), because the cut lies between the linker and wasm-bindgen, where
//! trunk lets nobody in. Where to cut is said in `frontend/src/main.rs`.

use crate::scripts::{dense, numbered};
use crate::{context::Context, engine, files, sheets};
use anyhow::{Context as _, Result, anyhow, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha384};
use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};
use wasm_split_cli_support as splitter;

/// The package, and the name that its files begin with.
const NAME: &str = "tupate-frontend";
/// The target of the page.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Most bytes, compressed, of what a visitor waits for: the first part of the program
/// and what loads it.
const BUDGET: usize = 260_000;
/// What stands in `index.html` for the program.
const PLACE: &str = "<link data-trunk rel=\"rust\" data-trunk-skip";
/// The module that fetches the other parts, as the splitter names it.
const LOADER: &str = "__wasm_split.js";
/// How the splitter starts a part that has been fetched: browsers refuse it where the host
/// does not call the file what it is.
const STREAMED: &str = "WebAssembly.instantiateStreaming(src, imports)";
/// What stands there instead, and what it calls: of such a host the bytes are taken, as
/// wasm-bindgen takes the first part.
const STARTED: &str = "start(src, imports)";
const START: &str = "\
async function start(src, imports) {
const part = await src;
const named = part.headers.get(\"content-type\") === \"application/wasm\";
return part.ok && !named
? WebAssembly.instantiate(await part.arrayBuffer(), imports)
: WebAssembly.instantiateStreaming(part, imports);
}
";
/// Functions that are called from several places are inlined no more: it makes modules
/// that are larger when compressed. Those with one caller are: browsers compile each
/// function on its first call, and there are fewer.
const SMALL: &[&str] = &[
    "-Oz",
    "--always-inline-max-function-size=0",
    "--flexible-inline-max-function-size=0",
    // The first kilobyte is the far end of the stack: nothing else points there.
    "--low-memory-unused",
    "--strip-debug",
    "--strip-producers",
];
/// What wasm-opt may take for granted: all that Rust compiles for by itself.
const FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// A finished file.
struct Part {
    /// What the tools called it, and its fellows do.
    written: String,
    /// Its name for readers; once all are finished, with a number of its own.
    name: String,
    bytes: Vec<u8>,
}

/// How the engine's files begin, which are no parts of the program: the worker's script
/// names the others, and only few visitors need them.
const ENGINE: &str = "engine-";

impl Part {
    fn new(written: &str, bytes: Vec<u8>) -> Self {
        let name = match written {
            LOADER => "parts.js".to_owned(),
            name => name.trim_start_matches("split_").replace("chunk_", "shared-"),
        };
        Self { written: written.to_owned(), name, bytes }
    }
}

/// Puts the program into the page that trunk has just made. Returns the sizes of its
/// parts, in words.
pub fn into_page(context: &Context) -> Result<String> {
    let folder = |name: &str| {
        env::var(name).with_context(|| format!("{name} is not set: this is a hook of trunk's"))
    };
    let (page, base) = (PathBuf::from(folder("TRUNK_STAGING_DIR")?), folder("TRUNK_PUBLIC_URL")?);
    let parts = program(context)?;
    let table = sizes(&parts)?;
    let parts = named(&parts, &hash(&parts));
    let index = page.join("index.html");
    let html = fs::read_to_string(&index).context("trunk has made no index.html")?;
    let html = sheets::join(&page, &html, &base)?;
    fs::write(&index, with_program(&html, &base, &parts)?)
        .with_context(|| format!("cannot write {}", index.display()))?;
    for part in &parts {
        fs::write(page.join(&part.name), &part.bytes)
            .with_context(|| format!("cannot write {}", part.name))?;
    }
    Ok(table)
}

/// All parts; the first three are what a visitor waits for.
fn program(context: &Context) -> Result<Vec<Part>> {
    // Relocations tell the splitter what every function needs.
    let build =
        ["rustc", "--profile", "page", "--target", TARGET, "--package", NAME, "--bin", NAME];
    context.cargo(build).args(["--", "-C", "link-arg=--emit-relocs"]).run()?;
    let linked = context.target.join(TARGET).join("page").join(NAME).with_extension("wasm");
    let linked = fs::read(&linked).with_context(|| format!("there is no {}", linked.display()))?;

    let work = context.target.join("xtask/program");
    let (cut, bound) = (work.join("cut"), work.join("bound"));
    // What an earlier cut left there must not pass for a part of this one.
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&cut)?;
    let first = cut.join("first.wasm");
    let mut options = splitter::Options::new(&linked);
    options.output_dir = &cut;
    options.main_out_path = &first;
    let script = format!("{NAME}.js");
    let main_module = format!("./{script}");
    options.main_module = &main_module;
    let split = splitter::transform(options)
        .map_err(|error| anyhow!("the program cannot be cut: {error:#}"))?;

    context
        .command("wasm-bindgen", ["--target", "web", "--no-typescript", "--out-name", NAME])
        // The other parts take the first one's table of functions.
        .arg("--keep-lld-exports")
        .arg("--out-dir")
        .arg(&bound)
        .arg(&first)
        .quiet()
        .run()?;

    let read =
        |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let module = format!("{NAME}_bg.wasm");
    let (bridge, first) =
        numbered(dense(&read(&bound.join(&script))?)?, small(context, &bound.join(&module))?)?;
    let mut parts = vec![
        Part::new(&script, bridge.into_bytes()),
        Part::new(LOADER, anywhere(&dense(&read(&cut.join(LOADER))?)?)?),
        Part::new(&module, first),
    ];
    let mut others = split.split_modules;
    others.sort();
    for other in others {
        let name = other.file_name().and_then(|name| name.to_str()).context("a part's name")?;
        parts.push(Part::new(name, small(context, &other)?));
    }
    for (name, bytes) in engine::files(context, FEATURES)? {
        let bytes = if name.ends_with(".js") { dense(&bytes)?.into_bytes() } else { bytes };
        parts.push(Part::new(&name, bytes));
    }
    Ok(parts)
}

/// The loader, for hosts that do not know what they send.
fn anywhere(loader: &str) -> Result<Vec<u8>> {
    ensure!(loader.contains(STREAMED), "the splitter's loader does not say {STREAMED}");
    Ok((loader.replace(STREAMED, STARTED) + START).into_bytes())
}

/// A module without what only debuggers read, and as small as wasm-opt can make it.
fn small(context: &Context, module: &Path) -> Result<Vec<u8>> {
    let smaller = module.with_extension("small.wasm");
    context
        .command("wasm-opt", SMALL)
        .args(FEATURES)
        .arg(module)
        .arg("-o")
        .arg(&smaller)
        .quiet()
        .ignore_stderr()
        .run()?;
    Ok(fs::read(&smaller)?)
}

/// One number for all parts: they fit each other and no others, and their names, which
/// hold it, stand in each other.
fn hash(parts: &[Part]) -> String {
    files::digest_of(parts.iter().flat_map(|part| [part.name.as_bytes(), &part.bytes]))[..16]
        .to_owned()
}

/// A file's name with the number in it, before wasm-bindgen's ending and the file's.
fn unique(name: &str, hash: &str) -> String {
    let at = name.find("_bg.").or(name.rfind('.')).unwrap_or(name.len());
    format!("{}-{hash}{}", &name[..at], &name[at..])
}

/// The parts under their last names, also where one names another.
fn named(parts: &[Part], hash: &str) -> Vec<Part> {
    let last = |part: &Part| unique(&part.name, hash);
    let renamed = |part: &Part| {
        let bytes = match std::str::from_utf8(&part.bytes) {
            Ok(script) if part.name.ends_with(".js") => {
                let all = parts.iter().fold(script.to_owned(), |script, other| {
                    // Only where they are fetched: modules are handed to each other under
                    // the names that they were written with.
                    [" from \"./", " from './", "URL(\"./", "URL('", "import(\"./"].iter().fold(
                        script,
                        |script, before| {
                            let quote = if before.contains('"') { '"' } else { '\'' };
                            let [old, new] = [&other.written, &last(other)]
                                .map(|name| format!("{before}{name}{quote}"));
                            script.replace(&old, &new)
                        },
                    )
                });
                all.into_bytes()
            }
            _ => part.bytes.clone(),
        };
        Part { written: part.written.clone(), name: last(part), bytes }
    };
    parts.iter().map(renamed).collect()
}

/// The page with what loads the program in its place.
fn with_program(html: &str, base: &str, parts: &[Part]) -> Result<String> {
    let (before, rest) = html.split_once(PLACE).with_context(|| {
        format!("index.html has no place for the program, which begins with {PLACE}")
    })?;
    let (_, after) =
        rest.split_once('>').context("the program's place in index.html has no end")?;
    let [script, loader, module, later @ ..] = parts else {
        return Err(anyhow!("the program has fewer than three parts"));
    };
    let ahead = |rel: &str, part: &Part| {
        format!("<link rel=\"{rel}\" href=\"{base}{}\" crossorigin=\"anonymous\"", part.name)
    };
    // Browsers look at it for scripts alone.
    let integrity = |part: &Part| {
        format!(" integrity=\"sha384-{}\"", BASE64_STANDARD.encode(Sha384::digest(&part.bytes)))
    };
    let (engine, later): (Vec<_>, Vec<_>) =
        later.iter().partition(|part| part.name.starts_with(ENGINE));
    let worker = engine.iter().find(|part| part.written == engine::WORKER);
    let worker = worker.map_or(String::new(), |part| format!("{base}{}", part.name));
    let later: Vec<_> = later.iter().map(|part| format!("{base}{}", part.name)).collect();
    // Started while the browser reads what it keeps, the program would draw a page without
    // it first.
    Ok(format!(
        "{before}{}{}>\n{}{}>\n{} as=\"fetch\" type=\"application/wasm\">\n\
         <script type=\"module\">\n\
         import init from \"{base}{}\";\n\
         await window.looked;\n\
         await init({{ module_or_path: \"{base}{}\" }});\n\
         </script>\n\
         <!-- Not needed at first. The service worker keeps what is named here. -->\n\
         <script type=\"application/json\" id=\"later\">{}</script>\n\
         <script type=\"application/json\" id=\"engine\">{}</script>{after}",
        ahead("modulepreload", script),
        integrity(script),
        ahead("modulepreload", loader),
        integrity(loader),
        ahead("preload", module),
        script.name,
        module.name,
        serde_json::to_string(&later)?,
        serde_json::to_string(&worker)?
    ))
}

/// The sizes of all parts, or an error where the first ones are too large together.
fn sizes(parts: &[Part]) -> Result<String> {
    let mut table = String::from("bytes of the page's program, compressed and not\n");
    let (mut first, mut all) = (0, 0);
    for (at, part) in parts.iter().enumerate() {
        let compressed = compressed(&part.bytes)?;
        table += &format!("{compressed:>9} {:>9}  {}\n", part.bytes.len(), part.name);
        all += compressed;
        if at < 3 {
            first += compressed;
        }
    }
    table += &format!("{first:>9}            of these at first, at most {BUDGET}\n");
    table += &format!("{all:>9}            together\n");
    ensure!(
        first <= BUDGET,
        "{table}\nA visitor waits for {first} bytes, {} more than the budget. What the first view \
         does not show belongs into another part: see frontend/src/main.rs.",
        first - BUDGET
    );
    Ok(table)
}

/// The size that a server sends, with brotli at its best.
fn compressed(bytes: &[u8]) -> Result<usize> {
    let mut counter = Counter(0);
    brotli::CompressorWriter::new(&mut counter, 1 << 16, 11, 22).write_all(bytes)?;
    Ok(counter.0)
}

/// Counts what is written.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Part> {
        let part = |written: &str, text: &str| Part::new(written, text.into());
        vec![
            part(
                "tupate-frontend.js",
                "import * as a from './__wasm_split.js'; new URL('tupate-frontend_bg.wasm', b); \
                 c({ './__wasm_split.js': a })",
            ),
            part(
                LOADER,
                "import { initSync } from \"./tupate-frontend.js\"; \
                 new URL(\"./split_map.wasm\", b); new URL(\"./chunk_7.wasm\", b)",
            ),
            part("tupate-frontend_bg.wasm", "1"),
            part("chunk_7.wasm", "2"),
            part("split_map.wasm", "3"),
            part("engine-worker.js", "import(\"./engine-simd.js\")"),
            part("engine-simd.js", "new URL('engine-simd_bg.wasm', b)"),
            part("engine-simd_bg.wasm", "4"),
        ]
    }

    #[test]
    fn every_name_holds_the_number_also_where_parts_name_each_other() {
        let named = named(&parts(), "0123456789abcdef");
        let names: Vec<_> = named.iter().map(|part| &*part.name).collect();
        assert_eq!(
            names,
            [
                "tupate-frontend-0123456789abcdef.js",
                "parts-0123456789abcdef.js",
                "tupate-frontend-0123456789abcdef_bg.wasm",
                "shared-7-0123456789abcdef.wasm",
                "map-0123456789abcdef.wasm",
                "engine-worker-0123456789abcdef.js",
                "engine-simd-0123456789abcdef.js",
                "engine-simd-0123456789abcdef_bg.wasm"
            ]
        );
        let text = |at: usize| String::from_utf8(named[at].bytes.clone()).unwrap();
        assert_eq!(
            text(0),
            "import * as a from './parts-0123456789abcdef.js'; \
             new URL('tupate-frontend-0123456789abcdef_bg.wasm', b); \
             c({ './__wasm_split.js': a })"
        );
        assert_eq!(
            text(1),
            "import { initSync } from \"./tupate-frontend-0123456789abcdef.js\"; \
             new URL(\"./map-0123456789abcdef.wasm\", b); \
             new URL(\"./shared-7-0123456789abcdef.wasm\", b)"
        );
    }

    #[test]
    fn the_worker_names_its_modules() {
        let named = named(&parts(), "0123456789abcdef");
        let text = |at: usize| String::from_utf8(named[at].bytes.clone()).unwrap();
        assert_eq!(text(5), "import(\"./engine-simd-0123456789abcdef.js\")");
        assert_eq!(text(6), "new URL('engine-simd-0123456789abcdef_bg.wasm', b)");
    }

    #[test]
    fn every_part_is_started_by_the_function_that_knows_other_hosts() {
        let written =
            format!("one = (imports) => ({STREAMED});\ntwo = (imports) => ({STREAMED});\n");
        let loader = String::from_utf8(anywhere(&written).unwrap()).unwrap();
        let (parts, function) = loader.split_at(loader.find("async function").unwrap());
        assert_eq!(
            parts,
            "one = (imports) => (start(src, imports));\ntwo = (imports) => (start(src, imports));\n"
        );
        assert!(function.contains("arrayBuffer()"), "{function}");
        // Another loader would be passed on as it is, and nobody would notice.
        assert!(anywhere("one = (imports) => other(src);").is_err());
    }

    #[test]
    fn the_number_follows_every_part() {
        let before = hash(&parts());
        assert_eq!(before, hash(&parts()));
        let mut other = parts();
        other[4].bytes.push(b'!');
        assert_ne!(before, hash(&other));
    }

    #[test]
    fn the_page_names_all_parts_and_waits_for_the_first() {
        let html = format!("<head>{PLACE} data-bin=\"x\"/></head>");
        let page = with_program(&html, "/", &named(&parts(), "0123456789abcdef")).unwrap();
        assert!(page.starts_with("<head><link rel=\"modulepreload\" href=\"/tupate-frontend-"));
        assert!(
            page.contains("[\"/shared-7-0123456789abcdef.wasm\",\"/map-0123456789abcdef.wasm\"]")
        );
        assert!(page.ends_with(
            "<script type=\"application/json\" id=\"engine\">\"/engine-worker-0123456789abcdef.js\"\
             </script></head>"
        ));
        let error = with_program("<head></head>", "/", &parts()).unwrap_err().to_string();
        assert!(error.contains("no place for the program"), "{error}");
    }

    #[test]
    fn what_is_too_large_at_first_is_an_error_with_a_table() {
        assert!(sizes(&parts()).is_ok());
        let mut large = parts();
        // Numbers that do not repeat, so that compressing them gains nothing.
        let mut state = 1_u64;
        large[2].bytes = (0..BUDGET + 100)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let error = sizes(&large).unwrap_err().to_string();
        assert!(error.contains("more than the budget"), "{error}");
        large.swap(2, 4);
        assert!(sizes(&large).is_ok(), "what comes later has no budget");
    }
}
