//! How the times of runs are distributed: criterion's part.

use std::time::Duration;

use criterion::{Criterion, SamplingMode};

use super::contenders::Ready;
use crate::support::measure;

pub fn measure(contenders: &mut [Ready<'_>], quick: bool, summary: &mut Vec<String>) {
    let mut criterion = criterion(quick);
    for contenders in contenders.chunk_by_mut(|one, other| one.group == other.group) {
        let mut group = criterion.benchmark_group(contenders[0].group);
        // Runs take milliseconds: nothing is gained by making many in one sample.
        group.sampling_mode(SamplingMode::Flat);
        for Ready { name, runner, .. } in contenders {
            let mut times = Vec::new();
            let mut run = || {
                let time = runner(1);
                times.push(time.as_secs_f64() * 1e6);
                time
            };
            group.bench_function(*name, |bencher| {
                bencher.iter_custom(|runs| (0..runs).map(|_| run()).sum::<Duration>());
            });
            summary.push(format!("FIGURE {name}_us {:.0}", measure::median(times)));
        }
        group.finish();
    }
}

fn criterion(quick: bool) -> Criterion {
    let criterion = Criterion::default();
    if quick {
        let (warm_up, measured) = (Duration::from_millis(50), Duration::from_millis(200));
        criterion.sample_size(10).warm_up_time(warm_up).measurement_time(measured).without_plots()
    } else {
        let (warm_up, measured) = (Duration::from_millis(500), Duration::from_secs(4));
        criterion.sample_size(50).warm_up_time(warm_up).measurement_time(measured)
    }
}
