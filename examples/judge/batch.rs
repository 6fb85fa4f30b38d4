//! A test of the usual kind: one program, its input, its answer.

use std::fs::File;
use std::io::{Seek, Write};

use cofferdam::Output;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::compile::Program;
use crate::failure::Failure;
use crate::limits::Seat;
use crate::outcome::Outcome;
use crate::problem::{Problem, Test};
use crate::text::printable;
use crate::verdict::{Verdict, ending, failure};

/// Runs a submission on one test; an error is the judge's.
pub fn run(program: &Program, problem: &Problem, test: &Test, seat: Seat) -> Result<Outcome, Failure> {
    let answer = test.answer()?;
    let container = program.container(&problem.limits, seat)?.seccomp(problem.calls.policy());
    let container = container.stdin(sealed(&test.input()?)?);
    let output = container.output()?;
    let (verdict, note) = match failure(&output.report, program.memory_exit_code()) {
        Some(verdict) => (verdict, last_words(&output)),
        None => compared(problem.checker.fault(&answer, &output.stdout)),
    };
    Ok(Outcome { verdict, report: Some(output.report), note, talk: None })
}

fn compared(fault: Option<String>) -> (Verdict, String) {
    match fault {
        None => (Verdict::Accepted, String::new()),
        Some(fault) => (Verdict::WrongAnswer, fault),
    }
}

/// How it ended, and what it said at the end: the exception of a Python program is in its last line.
fn last_words(output: &Output) -> String {
    let said = printable(&output.stderr[output.stderr.len().saturating_sub(500)..]);
    let said = said.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("note: "));
    let ending = ending(&output.report);
    said.map_or_else(|| ending.clone(), |said| format!("{ending}; {said}"))
}

/// Bytes as a file that nobody can change. The test's own file would not do: a workload run by an ordinary
/// user has that user's id, and can open what it was given once more, for writing, through /proc/self/fd.
fn sealed(bytes: &[u8]) -> Result<File, Failure> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"input", flags).map_err(std::io::Error::from)?);
    file.write_all(bytes)?;
    file.rewind()?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(std::io::Error::from)?;
    Ok(file)
}
