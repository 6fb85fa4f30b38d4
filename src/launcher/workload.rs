//! The process that becomes the workload: what it shares with init until then, and `execve`.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::abi;
use super::channel::Reporter;
use super::state::{Failure, Outcome, Plan};
use super::sys::{self, Errno, Result, ZeroIsValid};
use crate::wire::item;

/// What the child tells init. Init looks only when the child is gone or has become the workload, so the
/// order of the fields' writes does not matter.
pub struct Shared {
    step: AtomicU32,
    failed: AtomicU32,
    errno: AtomicI32,
    item: AtomicU32,
    started: AtomicU64,
}

// SAFETY: atomic integers, for which zero is a value; their alignment is at most 8.
unsafe impl ZeroIsValid for Shared {}

impl Shared {
    pub fn enter_step(&self, index: u32) {
        self.step.store(index, Relaxed);
    }

    pub fn fail(&self, step: u32, failure: Failure) {
        self.step.store(step, Relaxed);
        self.errno.store(failure.errno.0, Relaxed);
        self.item.store(failure.item, Relaxed);
        self.failed.store(1, Relaxed);
    }

    /// The step that failed. A child that ended without a word, killed from outside or for want of
    /// memory, failed at the step it had reached.
    pub fn failure(&self) -> Option<(u32, Failure)> {
        let step = self.step.load(Relaxed);
        if self.failed.load(Relaxed) != 0 {
            let errno = Errno(self.errno.load(Relaxed));
            return Some((step, Failure { errno, item: self.item.load(Relaxed) }));
        }
        let vanished = Failure { errno: Errno(0), item: item::VANISHED };
        (self.started() == 0).then_some((step, vanished))
    }

    /// The child's monotonic clock before `execve`; 0 until then.
    pub fn started(&self) -> u64 {
        self.started.load(Relaxed)
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
pub fn execute(counts: &Counts, strings: &'static [u8], scratch: &mut [u8], reporter: Reporter) -> Outcome {
    let mut rest = Strings { rest: strings };
    let candidates = Strings { rest: strings };
    rest.pass(counts.candidates);
    let (arguments, left) = pointer_table(scratch, &mut rest, counts.arguments)?;
    let (environment, _) = pointer_table(left, &mut rest, counts.environment)?;

    let mut failure = Failure { errno: Errno(abi::ENOENT), item: item::WHOLE };
    for candidate in candidates.take(counts.candidates as usize) {
        if let Reporter::Init(shared) = reporter {
            shared.started.store(sys::now(), Relaxed);
        }
        // SAFETY: both tables hold pointers to NUL-ended strings of the plan and end with a null.
        let errno = unsafe { sys::execve(candidate, arguments, environment) };
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

/// Writes pointers to `count` strings, and a null, into the scratch memory; returns what is left of it.
fn pointer_table<'s>(
    scratch: &'s mut [u8],
    strings: &mut Strings,
    count: u32,
) -> Outcome<(*const *const u8, &'s mut [u8])> {
    let plan_too_small = Failure { errno: Errno(abi::EINVAL), item: item::PLAN };
    let bytes = (count as usize).saturating_add(1).saturating_mul(size_of::<usize>());
    let (table, left) = scratch.split_at_mut_checked(bytes).ok_or(plan_too_small)?;
    let mut slots = table.chunks_exact_mut(size_of::<usize>());
    for _ in 0..count {
        let (Some(slot), Some(text)) = (slots.next(), strings.next()) else { return Err(plan_too_small) };
        for (to, from) in slot.iter_mut().zip((text.as_ptr() as usize).to_ne_bytes()) {
            *to = from;
        }
    }
    // The scratch memory is page-aligned and zeroed: the last slot is the null.
    Ok((table.as_ptr().cast(), left))
}

/// The moment of `execve` on init's clock: the workload's may be offset by its time namespace.
pub fn started_on_init_clock(plan: &Plan, shared: &Shared) -> u64 {
    shared.started().wrapping_sub(plan.header.clock_offset as u64)
}
