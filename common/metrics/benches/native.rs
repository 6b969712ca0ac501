//! Products of rows, measured natively: `cargo xtask bench zoo`.

#[cfg(not(target_arch = "wasm32"))]
mod cases;

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    for case in cases::CASES {
        let mut case = case();
        println!("bytes {} {}", case.name, case.bytes);
        let mut group = criterion.benchmark_group(case.name);
        // As in the browser, a sample is one time: the shortest is what counts.
        group.sampling_mode(criterion::SamplingMode::Flat).sample_size(100);
        group.measurement_time(core::time::Duration::from_millis(1));
        group.bench_function("once", |bencher| bencher.iter(|| (case.work)()));
        group.finish();
    }
    criterion.final_summary();
}

#[cfg(target_arch = "wasm32")]
fn main() {}
