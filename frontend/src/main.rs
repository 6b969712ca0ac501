//! Starts the page, and says where its program is cut: every function marked
//! `wasm_split` leads into a file of its own, which holds what nothing else needs.
//!
//! What it gives are pointers to functions, so that the cut lies before all the work.

use leptos::wasm_split::{SplitLoaderError, wasm_split};
use tupate_frontend::components::around::{AROUND, Around};
use tupate_frontend::export::{EXPORTS, Exports};
use tupate_frontend::later::{Coming, Draw, Later};
use tupate_frontend::shards::{HANDLING, Handling};
use tupate_frontend::state::adapters::{ADAPTERS, Adapters};
use tupate_frontend::state::keeping;
use tupate_frontend::{inline, pages, preparing, trust};

// The pages that draw what a zoo holds have most of what they need in common.
#[wasm_split(studies, wasm_split_path = ::leptos::wasm_split, fallible)]
fn map() -> Result<Draw, SplitLoaderError> {
    Ok(pages::map::draw)
}

#[wasm_split(studies, wasm_split_path = ::leptos::wasm_split, fallible)]
fn lab() -> Result<Draw, SplitLoaderError> {
    Ok(pages::lab::draw)
}

#[wasm_split(tune, wasm_split_path = ::leptos::wasm_split, fallible)]
fn tune() -> Result<Draw, SplitLoaderError> {
    Ok(pages::tune::draw)
}

#[wasm_split(around, wasm_split_path = ::leptos::wasm_split, fallible)]
fn around() -> Result<&'static Around, SplitLoaderError> {
    Ok(&AROUND)
}

// It is needed whenever the other is.
#[wasm_split(around, wasm_split_path = ::leptos::wasm_split, fallible)]
fn keeper() -> Result<keeping::Keep, SplitLoaderError> {
    Ok(keeping::keep)
}

// Each of these is too small for a file of its own.
#[wasm_split(rest, wasm_split_path = ::leptos::wasm_split, fallible)]
fn library() -> Result<Draw, SplitLoaderError> {
    Ok(pages::library::draw)
}

#[wasm_split(rest, wasm_split_path = ::leptos::wasm_split, fallible)]
fn exports() -> Result<&'static Exports, SplitLoaderError> {
    Ok(&EXPORTS)
}

#[wasm_split(rest, wasm_split_path = ::leptos::wasm_split, fallible)]
fn adapters_handler() -> Result<&'static Adapters, SplitLoaderError> {
    Ok(&ADAPTERS)
}

#[wasm_split(rest, wasm_split_path = ::leptos::wasm_split, fallible)]
fn trust_teller() -> Result<trust::Tell, SplitLoaderError> {
    Ok(trust::tell)
}

#[wasm_split(rest, wasm_split_path = ::leptos::wasm_split, fallible)]
fn preparer() -> Result<preparing::Prepare, SplitLoaderError> {
    Ok(preparing::prepare)
}

#[wasm_split(rest, wasm_split_path = ::leptos::wasm_split, fallible)]
fn unpacker() -> Result<inline::Unpack, SplitLoaderError> {
    Ok(inline::unpack)
}

#[wasm_split(rest, wasm_split_path = ::leptos::wasm_split, fallible)]
fn shard_handler() -> Result<&'static Handling, SplitLoaderError> {
    Ok(&HANDLING)
}

/// Without the error, whose details are in the browser's console.
fn coming<T>(part: impl Future<Output = Result<T, SplitLoaderError>> + 'static) -> Coming<T> {
    Box::pin(async { part.await.ok() })
}

fn main() {
    tupate_frontend::start(Later {
        map: || coming(map()),
        lab: || coming(lab()),
        library: || coming(library()),
        tune: || coming(tune()),
        around: || coming(around()),
        exports: || coming(exports()),
        guest: || coming(adapters_handler()),
        inline: || coming(unpacker()),
        keep: || coming(keeper()),
        trust: || coming(trust_teller()),
        prepare: || coming(preparer()),
        shards: || coming(shard_handler()),
    });
}
