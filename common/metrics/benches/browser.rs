//! Products of rows, measured in a browser: `cargo xtask bench zoo`. Beside them, a
//! plain loop in JavaScript.

#![cfg(target_arch = "wasm32")]

mod cases;

use cases::{CASES, LARGE, query};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// Times of each case; the shortest is told.
const TIMES: usize = 100;

#[wasm_bindgen(inline_js = r"
export function now() { return performance.now(); }
export function rows(n) {
    const rows = new Float32Array(n);
    for (let i = 0; i < n; i++) rows[i] = ((i * 7919) % 2003) / 1001.5 - 1;
    return rows;
}
export function products(rows, query, out) {
    const dim = query.length;
    for (let i = 0, at = 0; i < out.length; i++) {
        let sum = 0;
        for (let j = 0; j < dim; j++) sum += rows[at++] * query[j];
        out[i] = sum;
    }
    return out[out.length >> 1];
}
")]
extern "C" {
    type Rows;
    fn now() -> f64;
    fn rows(n: usize) -> Rows;
    fn products(rows: &Rows, query: &Rows, out: &Rows) -> f64;
}

/// Says what the command reads: `measured NAME BYTES MILLISECONDS`.
fn measure(name: &str, bytes: usize, mut work: impl FnMut() -> f64) {
    let mut shortest = f64::INFINITY;
    for _ in 0..TIMES {
        let start = now();
        std::hint::black_box(work());
        shortest = shortest.min(now() - start);
    }
    console_log!("measured {name} {bytes} {shortest}");
}

#[wasm_bindgen_test]
fn products_of_rows() {
    for case in CASES {
        let mut case = case();
        measure(case.name, case.bytes, &mut case.work);
    }
}

#[wasm_bindgen_test]
fn a_plain_loop() {
    let (n, dim) = LARGE;
    let (all, one, out) = (rows(n * dim), rows(query(dim).len()), rows(n));
    measure("javascript", 4 * n * dim, || products(&all, &one, &out));
}
