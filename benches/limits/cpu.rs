//! How much more CPU time than its limit a workload gets.

use std::thread;
use std::time::Duration;

use cofferdam::{Cause, Container, Limit, Report};

use super::programs::{Programs, obstacle};
use super::spread::Spread;
use crate::support::measure::{self, Contestant, Samples};
use crate::support::run::container;

/// How often judges look that do so at fixed intervals.
const POLL: Duration = Duration::from_millis(100);
/// A place where no cgroup can be made, for what can be had without.
const NOWHERE: &str = "/cofferdam-bench-nowhere";

pub fn measure(programs: &Programs, time: Duration) {
    let load = |kind: &str| container(&programs.load).arg(kind);
    let spread = Spread::new(Duration::from_millis(200), Duration::from_millis(100));
    match obstacle(&load("idle").cpu_time_limit(POLL)) {
        None => {
            let limited = |kind| {
                let (container, mut limits) = (load(kind), spread.clone());
                move || overshoot(&container, limits.next())
            };
            let mut contestants: [Contestant<'_>; 2] =
                [Box::new(limited("crowd")), Box::new(limited("alone"))];
            let samples = measure::interleave(&mut contestants, time);
            print(&samples, 0, "cpu_crowd");
            print(&samples, 1, "cpu_alone");
            println!("FIGURE cpu_rounds {}", samples.rounds());
            polled(&load("crowd"), time / 4);
        }
        Some(reason) => println!("SKIP cpu {reason}"),
    }
    let without = load("alone").best_effort([Limit::CpuTime]).cgroup_parent(NOWHERE);
    let mut limits = spread.clone();
    let mut contestants: [Contestant<'_>; 1] = [Box::new(|| overshoot(&without, limits.next()))];
    print(&measure::interleave(&mut contestants, time / 4), 0, "cpu_without_cgroup");
}

fn print(samples: &Samples, contestant: usize, name: &str) {
    println!("FIGURE {name}_us {:.0}", samples.quantile(contestant, 0.5));
    println!("FIGURE {name}_p99_us {:.0}", samples.quantile(contestant, 0.99));
}

fn overshoot(container: &Container, limit: Duration) -> Duration {
    let container = container.clone().cpu_time_limit(limit);
    let report = container.spawn().and_then(|mut child| child.wait()).expect("a run");
    assert_eq!(report.cause(), Cause::CpuTime);
    beyond(&report, limit)
}

/// What a host program reaches that looks every now and then, for comparison.
fn polled(container: &Container, time: Duration) {
    let container = container.clone().accounting(true);
    // Over a whole interval for each of two CPUs.
    let mut limits = Spread::new(2 * POLL, 2 * POLL);
    let mut run = || -> cofferdam::Result<Duration> {
        let limit = limits.next();
        let mut child = container.spawn()?;
        let used =
            |child: &cofferdam::Child| Ok(child.stats()?.cpu_time.map_or(Duration::ZERO, |used| used.value));
        while used(&child)? < limit {
            thread::sleep(POLL);
        }
        child.kill()?;
        Ok(beyond(&child.wait()?, limit))
    };
    let mut contestants: [Contestant<'_>; 1] = [Box::new(|| run().expect("a run"))];
    print(&measure::interleave(&mut contestants, time), 0, "cpu_crowd_polled");
}

fn beyond(report: &Report, limit: Duration) -> Duration {
    report.cpu_time().saturating_sub(limit)
}
