//! The last steps of the process that becomes the workload.

use core::ffi::CStr;

use super::abi;
use super::channel::Reporter;
use super::state::{Failure, Outcome};
use super::sys::{self, Errno, Pass, PointerTable};
use crate::wire::item;

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
    pass: Pass,
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
            shared.starts_now(pass);
        }
        let errno = sys::execve(candidate, &arguments, &environment, pass);
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
