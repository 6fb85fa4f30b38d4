//! Timing contestants against each other.

use std::time::{Duration, Instant};

/// Rounds that are run and forgotten: they fault in pages and fill the kernel's caches.
const WARM_UP: usize = 5;
/// The fewest rounds that are measured, whatever the time.
const ROUNDS_MIN: usize = 15;
/// More rounds would not make a median steadier.
const ROUNDS_MAX: usize = 1500;

/// Something that is done again and again, and says how long it took, or how much too long.
pub type Contestant<'a> = Box<dyn FnMut() -> Duration + 'a>;

/// How long each contestant took in each round, in microseconds.
pub struct Samples {
    /// By contestant, then by round.
    times: Vec<Vec<f64>>,
}

impl Samples {
    /// The median time of a contestant.
    pub fn figure(&self, contestant: usize) -> f64 {
        self.quantile(contestant, 0.5)
    }

    /// What this share of a contestant's times stays below.
    pub fn quantile(&self, contestant: usize, share: f64) -> f64 {
        quantile(self.times[contestant].clone(), share)
    }

    /// The median of the differences of each round, in microseconds.
    pub fn difference(&self, contestant: usize, other: usize) -> f64 {
        let pairs = self.times[contestant].iter().zip(&self.times[other]);
        median(pairs.map(|(time, other)| time - other).collect())
    }

    /// How many rounds were measured.
    pub fn rounds(&self) -> usize {
        self.times.first().map_or(0, Vec::len)
    }

    /// The median of the quotients of each round. What disturbs the machine for a while disturbs both
    /// sides of a round, and cancels out.
    pub fn ratio(&self, contestant: usize, other: usize) -> f64 {
        let pairs = self.times[contestant].iter().zip(&self.times[other]);
        median(pairs.map(|(time, other)| time / other).collect())
    }
}

/// Runs the contestants in turn, round by round, until the time is used up. Each round starts with
/// another one, so that none profits from its place.
pub fn interleave(contestants: &mut [Contestant<'_>], time: Duration) -> Samples {
    let count = contestants.len();
    for contestant in contestants.iter_mut() {
        for _ in 0..WARM_UP {
            contestant();
        }
    }
    let mut times = vec![Vec::new(); count];
    let start = Instant::now();
    for round in 0..ROUNDS_MAX {
        if round >= ROUNDS_MIN && start.elapsed() > time {
            break;
        }
        for index in (round..round + count).map(|place| place % count) {
            times[index].push(contestants[index]().as_secs_f64() * 1e6);
        }
    }
    Samples { times }
}

/// How long to measure: less than half a second for CI.
pub fn seconds(quick: bool, otherwise: u64) -> Duration {
    if quick { Duration::from_millis(300) } else { Duration::from_secs(otherwise) }
}

/// Times one run.
pub fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// The value in the middle; 0 if there is none.
pub fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value that this share of the others stays below; 0 if there is none.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() as f64 * share) as usize).copied().unwrap_or_default()
}
