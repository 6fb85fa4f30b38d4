//! What limits of memory, processes and CPUs add to the time of a run.

use std::thread;
use std::time::Duration;

use cofferdam::Container;

use super::group;
use super::programs::{Programs, obstacle};
use crate::support::measure::{self, Contestant};
use crate::support::run::{contained, container};

/// Long enough for every CPU to fall asleep. The kernel then lets the first move of a process into a group wait
/// for all of them.
const PAUSE: Duration = Duration::from_millis(200);

pub fn measure(programs: &Programs, time: Duration) {
    let free = container(&programs.noop);
    let limited = free.clone().memory_limit(64 << 20).pids_limit(64).cpus(1.0);
    if let Some(reason) = obstacle(&limited) {
        println!("SKIP limits_cold {reason}");
        return;
    }
    println!("FIGURE cgroup_version {}", group::version(&limited).unwrap_or_default());
    compare(&limited, &free, "limits_cold", Duration::ZERO, time);
    compare(&limited, &free, "limits_cold_idle", PAUSE, time);
}

fn compare(limited: &Container, free: &Container, name: &str, pause: Duration, time: Duration) {
    let mut contestants: [Contestant<'_>; 2] =
        [Box::new(|| run_after(pause, limited)), Box::new(|| run_after(pause, free))];
    let samples = measure::interleave(&mut contestants, time);
    println!("FIGURE {name}_us {:.0}", samples.quantile(0, 0.5));
    println!("FIGURE {name}_without_us {:.0}", samples.quantile(1, 0.5));
    println!("RATIO {name} {:.3}", samples.ratio(0, 1));
}

fn run_after(pause: Duration, container: &Container) -> Duration {
    thread::sleep(pause);
    contained(container)
}
