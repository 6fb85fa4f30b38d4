//! How many runs in a second two threads make.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use super::contenders::{Ready, Runner};
use crate::support::measure;

/// Who is measured.
const CONTENDERS: &[&str] = &[
    "posix_spawn",
    "warm",
    "cold",
    "cold_limits",
    "go_sandbox_pool",
    "bubblewrap",
    "hakoniwa_limits",
    "go_sandbox",
    "go_sandbox_limits",
];

/// The name of a quotient, its two sides, and what it should be.
const TARGETS: &[(&str, [&str; 2], &str)] = &[
    ("throughput_warm", ["warm", "posix_spawn"], " (at least 0.6)"),
    ("throughput_warm_over_go_sandbox_pool", ["warm", "go_sandbox_pool"], ""),
    ("throughput_cold_over_posix_spawn", ["cold", "posix_spawn"], ""),
    ("throughput_cold_over_go_sandbox", ["cold", "go_sandbox"], " (at least 1.1)"),
    ("throughput_cold_limits_over_go_sandbox", ["cold_limits", "go_sandbox_limits"], ""),
    ("throughput_cold_limits_over_hakoniwa", ["cold_limits", "hakoniwa_limits"], ""),
];

/// Runs that a thread makes between two looks at the clock: peers are asked for runs through a pipe, which
/// then does not count.
const BATCH: u32 = 5;

/// Two runners, for two threads.
type Team<'a> = (&'static str, [Runner<'a>; 2]);

/// The teams take turns.
pub fn measure(contenders: &[Ready<'_>], quick: bool, summary: &mut Vec<String>) {
    let (slice, rounds) =
        if quick { (Duration::from_millis(50), 3) } else { (Duration::from_millis(200), 21) };
    let mut teams: Vec<Team<'_>> = contenders.iter().filter_map(team).collect();
    let mut rates: HashMap<&str, Vec<f64>> = HashMap::new();
    for _ in 0..rounds {
        for (name, runners) in &mut teams {
            rates.entry(*name).or_default().push(rate(runners, slice));
        }
    }
    report(&rates, summary);
}

fn team<'a>(contender: &Ready<'a>) -> Option<Team<'a>> {
    let Ready { name, make, .. } = contender;
    let wanted = CONTENDERS.contains(name);
    wanted.then(|| Some((*name, [make().ok()?, make().ok()?]))).flatten()
}

fn report(rates: &HashMap<&str, Vec<f64>>, summary: &mut Vec<String>) {
    for name in CONTENDERS {
        if let Some(rates) = rates.get(name) {
            summary.push(format!("FIGURE throughput_{name}_per_s {:.0}", measure::median(rates.clone())));
        }
    }
    for (name, [one, other], aim) in TARGETS {
        if let (Some(one), Some(other)) = (rates.get(one), rates.get(other)) {
            let quotients = one.iter().zip(other).map(|(one, other)| one / other).collect();
            summary.push(format!("RATIO {name} {:.3}{aim}", measure::median(quotients)));
        }
    }
}

/// Runs per second.
fn rate(team: &mut [Runner<'_>; 2], slice: Duration) -> f64 {
    let start = Instant::now();
    let runs: u32 = thread::scope(|scope| {
        let threads = team.each_mut().map(|runner| scope.spawn(move || work(runner, start, slice)));
        threads.into_iter().map(|thread| thread.join().expect("a thread that makes runs")).sum()
    });
    f64::from(runs) / start.elapsed().as_secs_f64()
}

fn work(runner: &mut Runner<'_>, start: Instant, slice: Duration) -> u32 {
    let mut runs = 0;
    while start.elapsed() < slice {
        runner(BATCH);
        runs += BATCH;
    }
    runs
}
