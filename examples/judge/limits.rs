//! The limits of a step, and the container that keeps them.

use std::time::Duration;

use cofferdam::{Container, Enforcement, Limit, Resource};
use serde::Deserialize;

use crate::units::{Size, Time};

/// Limits as a file has them: what is left out is what somebody else has said.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wishes {
    time: Option<Time>,
    wall: Option<Time>,
    extra: Option<Time>,
    memory: Option<Size>,
    stack: Option<Size>,
    pids: Option<u64>,
    output: Option<Size>,
    file_size: Option<Size>,
    disk: Option<Size>,
    files: Option<u64>,
}

/// What a step of judging may use: compiling, running a submission, running an interactor.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// CPU time of all its processes together. This is the limit that a problem is about: it does not depend
    /// on what else the machine does.
    pub time: Duration,
    /// Time on the clock: the backstop for what sleeps, waits, or stops itself.
    pub wall: Duration,
    /// How much later it is ended, so that the true time of what is a little late can be told.
    pub extra: Duration,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of stack, within the memory.
    pub stack: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes written to standard output and standard error together.
    pub output: u64,
    /// Bytes of the largest file.
    pub file_size: u64,
    /// Bytes in all files together.
    pub disk: u64,
    /// Number of files.
    pub files: u64,
}

impl Limits {
    /// Of a submission, where its problem says nothing else.
    pub fn of_submission() -> Self {
        Limits {
            time: Duration::from_secs(1),
            wall: Duration::from_secs(3),
            extra: Duration::from_millis(100),
            memory: 256 << 20,
            stack: 16 << 20,
            pids: 16,
            output: 16 << 20,
            file_size: 16 << 20,
            disk: 32 << 20,
            files: 1000,
        }
    }

    /// Of a compiler, where its language says nothing else: looser, but not endless, since a short source can
    /// keep a compiler busy for ever.
    pub fn of_compiler() -> Self {
        Limits {
            time: Duration::from_secs(15),
            wall: Duration::from_secs(60),
            extra: Duration::ZERO,
            memory: 1 << 30,
            stack: 64 << 20,
            pids: 64,
            output: 32 << 20,
            file_size: 64 << 20,
            disk: 256 << 20,
            files: 10_000,
        }
    }

    /// These limits, but for what is wished otherwise. Without a word on wall time it is three times the CPU
    /// time, where that was given; and the stack is at most a quarter of the memory, so that too deep a recursion is
    /// seen to be one.
    pub fn with(self, wishes: &Wishes) -> Self {
        let size = |wish: Option<Size>, otherwise| wish.map_or(otherwise, |size| size.0);
        let time = |wish: Option<Time>, otherwise| wish.map_or(otherwise, |time| time.0);
        let wall = wishes.time.map_or(self.wall, |time| 3 * time.0);
        let memory = size(wishes.memory, self.memory);
        Limits {
            time: time(wishes.time, self.time),
            wall: time(wishes.wall, wall),
            extra: time(wishes.extra, self.extra),
            memory,
            stack: size(wishes.stack, self.stack.min(memory / 4)),
            pids: wishes.pids.unwrap_or(self.pids),
            output: size(wishes.output, self.output),
            file_size: size(wishes.file_size, self.file_size),
            disk: size(wishes.disk, self.disk),
            files: wishes.files.unwrap_or(self.files),
        }
    }
}

/// Where a step runs: one worker's CPU, with limits that are strict, or as good as they can be had.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The number of the CPU.
    pub cpu: usize,
    /// Whether weaker mechanisms are accepted.
    pub best_effort: bool,
    /// By how much all limits of time are longer, for a machine that is slow.
    pub time_factor: f64,
}

impl Seat {
    /// A container with these limits on this CPU.
    pub fn container(self, limits: &Limits) -> Container {
        let container = Container::new()
            .cpuset([self.cpu])
            .cpu_time_limit(limits.time.mul_f64(self.time_factor))
            .wall_time_limit(limits.wall.mul_f64(self.time_factor))
            .extra_time(limits.extra.mul_f64(self.time_factor))
            .memory_limit(limits.memory)
            .rlimit(Resource::Stack, limits.stack, limits.stack)
            .pids_limit(limits.pids)
            .output_limit(limits.output)
            .file_size_limit(limits.file_size)
            .disk_limit(limits.disk, limits.files);
        if self.best_effort { container.best_effort(WEAKER) } else { container }
    }
}

/// What may be held in a weaker way if the user says so: all that needs a cgroup.
const WEAKER: [Limit; 3] = [Limit::Memory, Limit::CpuTime, Limit::Cpuset];

/// Tries each seat with a program that does nothing, so that a limit that cannot be had here is told before
/// anything is judged. Returns what holds the limits.
pub fn rehearse(seats: &[Seat]) -> cofferdam::Result<Vec<Enforcement>> {
    let mut served = Vec::new();
    for seat in seats {
        let output = seat.container(&Limits::of_submission()).command("true").output()?;
        served = output.report.enforced_by().to_vec();
    }
    Ok(served)
}

/// Which mechanism holds which limit, in one line.
pub fn mechanisms(served: &[Enforcement]) -> String {
    let one = |by: &Enforcement| {
        let weaker = if by.strict { "" } else { " (best effort)" };
        format!("{} by {}{weaker}", by.limit, by.mechanism)
    };
    served.iter().map(one).collect::<Vec<_>>().join(", ")
}
