//! Products of rows, measured natively: `cargo xtask bench zoo`.

#[cfg(not(target_arch = "wasm32"))]
mod cases;

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    let mut criterion = criterion::Criterion::default().sample_size(30).configure_from_args();
    for case in cases::CASES {
        let mut case = case();
        criterion.bench_function(case.name, |bencher| bencher.iter(|| (case.work)()));
        println!("bytes {} {}", case.name, case.bytes);
    }
    criterion.final_summary();
}

#[cfg(target_arch = "wasm32")]
fn main() {}
