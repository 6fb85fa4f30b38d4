//! The process that becomes the workload: what it shares with init until then, and `execve`.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::abi;
use super::channel::Reporter;
use super::state::{Failure, Outcome};
use super::sys::{self, Errno, PointerTable, Result};
use crate::wire::item;

/// What the child tells init, through memory that both see, whether or not they share the rest. Init looks
/// only when the child is gone or has become the workload, so the order of the writes does not matter.
#[derive(Clone, Copy)]
pub struct Shared {
    words: &'static [AtomicU64; 4],
}

impl Shared {
    pub fn new() -> Result<Self> {
        sys::allocate_shared().map(|words| Shared { words })
    }

    /// The step last entered, the error number of a failure, its part, and the time before `execve`.
    fn fields(&self) -> (&AtomicU64, &AtomicU64, &AtomicU64, &AtomicU64) {
        let [step, errno, item, started] = self.words;
        (step, errno, item, started)
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

    fn starts_now(self) {
        self.fields().3.store(sys::now(), Relaxed);
    }

    /// The moment of `execve`, on the clock that the child had then.
    pub fn started(self) -> u64 {
        self.fields().3.load(Relaxed)
    }
}

/// The host may ignore or block signals; its workload starts with none ignored or blocked.
pub fn default_signals() -> Result<()> {
    for signal in 1..=abi::LAST_SIGNAL {
        // EINVAL for SIGKILL and SIGSTOP, which cannot be changed and need not be.
        let _ = sys::default_signal(signal);
    }
    sys::set_signal_mask(0)
}

/// How many strings of each kind an exec step has.
pub struct Counts {
    pub candidates: u32,
    pub arguments: u32,
    pub environment: u32,
}

/// Becomes the first candidate that exists. As execvp(3) has it, a candidate without permission is
/// remembered, and is the error if no other is found.
pub fn execute(
    counts: &Counts,
    strings: &'static [u8],
    scratch: &'static mut [u8],
    reporter: Reporter,
) -> Outcome {
    let plan_too_small = Failure { errno: Errno(abi::EINVAL), item: item::PLAN };
    let mut rest = Strings { rest: strings };
    rest.pass(counts.candidates);
    let (arguments, left) =
        PointerTable::write(scratch, &mut rest, counts.arguments as usize).ok_or(plan_too_small)?;
    let (environment, _) =
        PointerTable::write(left, &mut rest, counts.environment as usize).ok_or(plan_too_small)?;

    let mut failure = Failure { errno: Errno(abi::ENOENT), item: item::WHOLE };
    for candidate in (Strings { rest: strings }).take(counts.candidates as usize) {
        if let Reporter::Init(shared) = reporter {
            shared.starts_now();
        }
        let errno = sys::execve(candidate, &arguments, &environment);
        match errno.0 {
            abi::ENOENT | abi::ENOTDIR => {}
            abi::EACCES => failure.errno = errno,
            _ => return Err(errno.into()),
        }
    }
    Err(failure)
}

/// Iterates over NUL-ended strings that follow each other.
struct Strings {
    rest: &'static [u8],
}

impl Strings {
    fn pass(&mut self, count: u32) {
        for _ in 0..count {
            let _ = self.next();
        }
    }
}

impl Iterator for Strings {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        let text = CStr::from_bytes_until_nul(self.rest).ok()?;
        self.rest = self.rest.get(text.to_bytes_with_nul().len()..)?;
        Some(text)
    }
}
