//! How much CPU time the container has used, and when its limit can be reached at the earliest.

use core::num::NonZeroU64;

use super::abi;
use super::sys::{self, Fd};

/// Where the CPU time is read.
#[derive(Clone, Copy)]
pub enum Source {
    /// A file of the container's cgroup, all its processes together: `cpuacct.usage` (v1) holds nanoseconds,
    /// `cpu.stat` (v2) begins with a line of microseconds.
    Cgroup(Fd),
    /// The clock of the workload's process, and what has been reaped: other processes count only then.
    Process(i32),
}

/// The limit of CPU time.
pub struct Meter {
    source: Source,
    /// Nanoseconds that do not count: those of the set-up.
    before: u64,
    /// How many CPUs the workload can use at once.
    cpus: NonZeroU64,
    /// Nanoseconds; 0 for none.
    pub limit: u64,
    /// What had been used at the last exact look.
    seen: u64,
    /// The next look is not sooner than this.
    pause: u64,
    /// Whether init goes round the CPUs.
    goes_round: bool,
}

/// The kernel adds to the figure of a CPU that stays busy at each tick: 10 ms at the longest.
const TICK: u64 = 10_000_000;
/// The shortest wait between two looks at a workload that is busy.
const SHORTEST: u64 = 100_000;
/// The longest wait between two looks at one that sleeps just below its limit.
const LONGEST: u64 = 5_000_000;
/// On more CPUs than this init does not go round.
const MOST_CPUS: u64 = 16;
/// A round that takes longer than this is the last one: the machine is too busy to let init have its turn.
const SLOW_ROUND: u64 = 2_000_000;

impl Meter {
    pub fn new(source: Source, before: u64, cpus: u64, limit: u64) -> Self {
        let goes_round = cpus <= MOST_CPUS;
        let cpus = NonZeroU64::new(cpus).unwrap_or(NonZeroU64::MIN);
        Meter { source, before, cpus, limit, seen: 0, pause: SHORTEST, goes_round }
    }

    /// One that counts from now on, whatever the source has counted before.
    pub fn from_now(source: Source, cpus: u64) -> Self {
        let before = match source {
            Source::Cgroup(file) => read_number(file),
            Source::Process(_) => reaped(),
        };
        Meter::new(source, before, cpus, 0)
    }

    /// Nanoseconds that do not count beside those that never did.
    pub fn leave_out(&mut self, time: u64) {
        self.before = self.before.saturating_add(time);
    }

    /// Nanoseconds until the limit can be reached at the earliest; 0 when it has been, `None` without limit.
    pub fn remaining(&mut self) -> Option<u64> {
        if self.limit == 0 {
            return None;
        }
        // All CPUs can be at work, and each figure be a tick old. Init looks well before the end, makes the
        // figures exact, and then waits exactly.
        let margin = TICK * self.cpus.get();
        match self.left() {
            0 => Some(0),
            left if left > 2 * margin => Some((left - margin) / self.cpus),
            _ => Some(self.remaining_exactly()),
        }
    }

    fn remaining_exactly(&mut self) -> u64 {
        self.make_exact();
        let left = self.left();
        if left == 0 {
            return 0;
        }
        // A workload that sleeps just below its limit does not keep init busy.
        let used = self.limit - left;
        self.pause = if used == self.seen { (self.pause * 2).min(LONGEST) } else { SHORTEST };
        self.seen = used;
        (left / self.cpus).max(self.pause)
    }

    /// A process that is made to give way is charged for its time at that moment, not at the next tick: so init
    /// goes to each CPU in turn, until the limit is seen to be reached.
    fn make_exact(&mut self) {
        if !self.goes_round {
            return;
        }
        let start = sys::now();
        let mut all = [0u8; abi::CPU_MASK];
        let length = sys::affinity(&mut all).unwrap_or_default();
        let all = all.get_mut(..length).unwrap_or_default();
        for cpu in 0..length * 8 {
            let (byte, bit) = (cpu / 8, 1u8 << (cpu % 8));
            if all.get(byte).is_none_or(|byte| byte & bit == 0) {
                continue;
            }
            let mut one = [0u8; abi::CPU_MASK];
            if let Some(byte) = one.get_mut(byte) {
                *byte = bit;
            }
            let _ = sys::set_affinity(&one);
            let taken = sys::now().saturating_sub(start);
            self.goes_round &= taken < SLOW_ROUND;
            if self.left() == 0 || !self.goes_round {
                break;
            }
        }
        let _ = sys::set_affinity(all);
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used())
    }

    fn used(&self) -> u64 {
        let used = match self.source {
            Source::Cgroup(file) => read_number(file),
            Source::Process(pid) => sys::cpu_time_of(pid).unwrap_or_default().saturating_add(reaped()),
        };
        used.saturating_sub(self.before)
    }
}

/// The first number of a file of a cgroup.
pub fn read_number(file: Fd) -> u64 {
    let mut buffer = [0u8; 64];
    let count = sys::read_from_start(file, &mut buffer).unwrap_or_default();
    parse(buffer.get(..count).unwrap_or_default())
}

/// The first number of the text: microseconds where a name stands before it.
pub fn parse(text: &[u8]) -> u64 {
    let unit = if text.first().is_some_and(u8::is_ascii_digit) { 1 } else { 1_000 };
    let digits =
        text.iter().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
    digits
        .fold(0u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
        .wrapping_mul(unit)
}

fn reaped() -> u64 {
    let usage = sys::usage_of_children();
    usage.user.nanoseconds().wrapping_add(usage.system.nanoseconds())
}
