//! How much later than its wall limit a workload ends.
//!
//! Some of that is the kernel's: a timer fires late, and a CPU must be given to who waited for it. So each run
//! is held against a plain program that sleeps for as long, beside the same load.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cofferdam::Cause;

use super::programs::Programs;
use super::spread::Spread;
use crate::support::measure::{self, Contestant};
use crate::support::run::container;

const LOADS: [&str; 3] = ["idle", "alone", "crowd"];

pub fn measure(programs: &Programs, time: Duration) {
    let spread = Spread::new(Duration::from_millis(20), Duration::from_millis(10));
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for load in LOADS {
        let (mut lengths, mut same_lengths) = (spread.clone(), spread.clone());
        contestants.push(Box::new(move || overshoot(&programs.load, load, lengths.next())));
        contestants.push(Box::new(move || lateness(programs, load, same_lengths.next())));
    }
    let samples = measure::interleave(&mut contestants, time);
    for (index, load) in LOADS.into_iter().enumerate() {
        let (ours, timer) = (2 * index, 2 * index + 1);
        for (share, suffix) in [(0.5, ""), (0.99, "_p99")] {
            let (ours, timer) = (samples.quantile(ours, share), samples.quantile(timer, share));
            println!("FIGURE wall_{load}{suffix}_us {ours:.0}");
            println!("FIGURE timer_{load}{suffix}_us {timer:.0}");
            println!("FIGURE wall_{load}_beyond_timer{suffix}_us {:.0}", ours - timer);
        }
    }
    println!("FIGURE wall_rounds {}", samples.rounds());
}

/// With a limit of a second. The slack that poll(2) takes for itself grows with the time.
pub fn measure_long(programs: &Programs, rounds: usize) {
    const LIMIT: Duration = Duration::from_secs(1);
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
    let (mut ours, mut timer) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(microseconds(overshoot(&programs.load, "idle", LIMIT)));
        timer.push(microseconds(lateness(programs, "idle", LIMIT)));
    }
    let (ours, timer) = (measure::median(ours), measure::median(timer));
    println!("FIGURE wall_long_us {ours:.0}");
    println!("FIGURE timer_long_us {timer:.0}");
    println!("FIGURE wall_long_beyond_timer_us {:.0}", ours - timer);
}

fn overshoot(program: &Path, load: &str, limit: Duration) -> Duration {
    let container = container(program).arg(load).wall_time_limit(limit);
    let report = container.spawn().and_then(|mut child| child.wait()).expect("a run");
    assert_eq!(report.cause(), Cause::WallTime);
    report.wall_time().saturating_sub(limit)
}

/// That of a plain program's timer.
fn lateness(programs: &Programs, load: &str, length: Duration) -> Duration {
    let mut timer = Command::new(&programs.timer);
    timer.arg(length.as_nanos().to_string()).arg(&programs.load).arg(load);
    let output = timer.output().expect("a program that has been compiled");
    let late = String::from_utf8_lossy(&output.stdout).trim().parse().expect("nanoseconds");
    Duration::from_nanos(late)
}
