//! What the process that becomes the workload tells init until then.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::state::Failure;
use super::sys::{self, Errno, Pass, Result};
use crate::wire::{Header, item};

/// What the child tells init, through memory that both see, whether or not they share the rest. Init looks
/// only when the child is gone or has become the workload, so the order of the writes does not matter.
#[derive(Clone, Copy)]
pub struct Shared {
    words: &'static [AtomicU64; 9],
}

impl Shared {
    pub fn new() -> Result<Self> {
        sys::allocate_shared().map(|words| Shared { words })
    }

    /// The step last entered, the error number of a failure, its part, and the time before `execve`.
    fn fields(&self) -> (&AtomicU64, &AtomicU64, &AtomicU64, &AtomicU64) {
        let [step, errno, item, started, ..] = self.words;
        (step, errno, item, started)
    }

    /// The CPU time used before `execve`.
    fn used(&self) -> &AtomicU64 {
        let [_, _, _, _, used, ..] = self.words;
        used
    }

    /// The limits of wall time and of CPU time, and whether the start is to be announced.
    fn terms(&self) -> [&AtomicU64; 3] {
        let [.., wall, cpu, announce, _] = self.words;
        [wall, cpu, announce]
    }

    /// How much of the room the steps of a run take.
    fn taken(&self) -> &AtomicU64 {
        let [.., taken] = self.words;
        taken
    }

    /// Forgets the former process.
    pub fn clear(self) {
        self.words.iter().for_each(|word| word.store(0, Relaxed));
    }

    /// Notes on what terms a run takes place.
    pub fn run_comes(self, header: &Header) {
        let [wall, cpu, announce] = self.terms();
        wall.store(header.wall_limit, Relaxed);
        cpu.store(header.cpu_limit, Relaxed);
        announce.store(header.announce, Relaxed);
        self.taken().store(header.body.saturating_add(header.scratch), Relaxed);
    }

    /// How much of the room the steps of the run take.
    pub fn taken_room(self) -> u64 {
        self.taken().load(Relaxed)
    }

    /// The limit of wall time of the run.
    pub fn wall_limit(self) -> u64 {
        self.terms()[0].load(Relaxed)
    }

    /// Its limit of CPU time.
    pub fn cpu_limit(self) -> u64 {
        self.terms()[1].load(Relaxed)
    }

    /// Whether its start is to be announced.
    pub fn is_to_be_announced(self) -> bool {
        self.terms()[2].load(Relaxed) != 0
    }

    pub fn enter_step(self, index: u32) {
        self.fields().0.store(u64::from(index), Relaxed);
    }

    pub fn fail(self, step: u32, failure: Failure) {
        let (at, errno, item, _) = self.fields();
        at.store(u64::from(step), Relaxed);
        errno.store(failure.errno.0 as u64, Relaxed);
        item.store(u64::from(failure.item), Relaxed);
    }

    /// The step that failed. A child that ended without a word, killed from outside or for want of
    /// memory, failed at the step it had reached.
    pub fn failure(self) -> Option<(u32, Failure)> {
        let (step, errno, part, started) = self.fields();
        let errno = Errno(errno.load(Relaxed) as i32);
        let failure = match errno {
            Errno(0) if started.load(Relaxed) != 0 => return None,
            Errno(0) => Failure { errno, item: item::VANISHED },
            _ => Failure { errno, item: part.load(Relaxed) as u32 },
        };
        Some((step.load(Relaxed) as u32, failure))
    }

    /// Notes the time before `execve`, and the CPU time that the set-up has used.
    pub fn starts_now(self, pass: Pass) {
        self.used().store(sys::own_cpu_time(pass), Relaxed);
        self.fields().3.store(sys::now_with(pass), Relaxed);
    }

    /// The moment of `execve`, on the clock that the child had then.
    pub fn started(self) -> u64 {
        self.fields().3.load(Relaxed)
    }

    /// Nanoseconds of CPU time that the child had used at that moment.
    pub fn used_before(self) -> u64 {
        self.used().load(Relaxed)
    }
}
