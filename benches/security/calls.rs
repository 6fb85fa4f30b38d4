//! What a filter adds to a single system call.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use cofferdam::Seccomp;

use crate::support::measure::{self, Contestant};
use crate::support::run::container;
use crate::support::worker::Worker;

/// How often a call is made in a round.
const TIMES: usize = 20_000;

/// Calls by name, and by the letter that `calls.c` has for them; and the ratio to aim at. The kernel remembers
/// that the first one is allowed; for the others the filter runs, and looks into arguments.
const CALLS: [(&str, char, f64); 4] =
    [("getpid", 'g', 1.05), ("ioctl", 'i', 1.3), ("personality", 'p', 1.3), ("socket", 's', 1.3)];

pub fn measure(program: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
    let (default, open) = (container(program), container(program).seccomp(Seccomp::unconfined()));
    let mut confined = Worker::inside(&default)?;
    // In a container like the others, with a filter of one instruction.
    let mut floor = Worker::inside(&open.clone().arg("floor"))?;
    let mut free = Worker::inside(&open)?;
    for (name, letter, target) in CALLS {
        let request = format!("{letter} {TIMES}");
        let mut contestants: [Contestant<'_>; 3] = [
            Box::new(|| confined.work(&request).expect("a worker")),
            Box::new(|| floor.work(&request).expect("a worker")),
            Box::new(|| free.work(&request).expect("a worker")),
        ];
        let samples = measure::interleave(&mut contestants, time);
        let nanoseconds = |contestant| samples.figure(contestant) * 1e3 / TIMES as f64;
        println!("FIGURE {name}_ns {:.1}", nanoseconds(0));
        println!("FIGURE {name}_shortest_filter_ns {:.1}", nanoseconds(1));
        println!("FIGURE {name}_no_filter_ns {:.1}", nanoseconds(2));
        println!("RATIO {name}_over_shortest {:.3} (at most {target})", samples.ratio(0, 1));
        println!("RATIO {name}_over_none {:.3}", samples.ratio(0, 2));
        println!("RATIO {name}_shortest_over_none {:.3}", samples.ratio(1, 2));
    }
    Ok(())
}
