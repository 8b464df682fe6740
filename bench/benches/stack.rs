//! The stacks alone, in time: nanoseconds for each frame, a batch at a time.
//!
//! `./run.sh bench stack` runs it.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use pollux_bench::cases::{self, BATCH};

fn stack(criterion: &mut Criterion) {
    for mut case in cases::all() {
        case.warm_up();
        let name = case.name().replace(' ', "/");
        criterion.bench_function(&name, |bencher| {
            bencher.iter_custom(|frames| {
                let batches = frames.div_ceil(BATCH as u64);
                let mut spent = Duration::ZERO;
                for _ in 0..batches {
                    case.restore();
                    let start = Instant::now();
                    case.measured();
                    spent += start.elapsed();
                }
                // Criterion divides by what it asked for; whole batches were more.
                spent.mul_f64(frames as f64 / (batches * BATCH as u64) as f64)
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots();
    targets = stack
}
criterion_main!(benches);
