//! What is said of a submission, and how it follows from the facts of a run.

use std::fmt;
use std::str::FromStr;

use cofferdam::{Cause, Report};

/// What is said of one test, and, by the first test that is not accepted, of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// AC.
    Accepted,
    /// WA.
    WrongAnswer,
    /// TLE: of CPU time, or, asleep, of wall time.
    TimeLimit,
    /// MLE.
    MemoryLimit,
    /// RE: a signal, an exit code other than 0, too many processes.
    RuntimeError,
    /// OLE: of what is written to standard output and standard error, or to a single file.
    OutputLimit,
    /// CE.
    CompileError,
    /// IE: the judge, or the problem's interactor, failed. It says nothing of the submission.
    InternalError,
}

const ALL: [Verdict; 8] = [
    Verdict::Accepted,
    Verdict::WrongAnswer,
    Verdict::TimeLimit,
    Verdict::MemoryLimit,
    Verdict::RuntimeError,
    Verdict::OutputLimit,
    Verdict::CompileError,
    Verdict::InternalError,
];

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad`, so that a width is kept to.
        f.pad(match self {
            Verdict::Accepted => "AC",
            Verdict::WrongAnswer => "WA",
            Verdict::TimeLimit => "TLE",
            Verdict::MemoryLimit => "MLE",
            Verdict::RuntimeError => "RE",
            Verdict::OutputLimit => "OLE",
            Verdict::CompileError => "CE",
            Verdict::InternalError => "IE",
        })
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || ALL.map(|verdict| verdict.to_string()).join(" ");
        let found = ALL.into_iter().find(|verdict| verdict.to_string() == text);
        found.ok_or_else(|| format!("`{text}` is no verdict; expected one of {}", names()))
    }
}

/// The verdict on a run that failed by itself, before anybody looks at its answer; `None` if it ended well.
///
/// The library has put the causes in order already, so there is nothing to weigh: one cause, one verdict. The
/// exit code of a language that ends itself at its memory limit, as Java can, counts as that.
pub fn failure(report: &Report, memory_exit_code: Option<i32>) -> Option<Verdict> {
    match report.cause() {
        Cause::CpuTime | Cause::WallTime => Some(Verdict::TimeLimit),
        Cause::Memory => Some(Verdict::MemoryLimit),
        Cause::Output => Some(Verdict::OutputLimit),
        Cause::Exited if report.code() == Some(0) => None,
        Cause::Exited if report.code() == memory_exit_code => Some(Verdict::MemoryLimit),
        Cause::Exited | Cause::Signalled | Cause::Pids | Cause::Seccomp => Some(Verdict::RuntimeError),
        // Only the judge kills, and it does not ask afterwards; and causes may be added.
        _ => Some(Verdict::InternalError),
    }
}

/// How a run ended, in words.
pub fn ending(report: &Report) -> String {
    let status = match (report.code(), report.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => signal_name(signal),
        (None, None) => "no status".into(),
    };
    match report.cause() {
        Cause::Exited | Cause::Signalled => status,
        cause => format!("{cause}, {status}"),
    }
}

fn signal_name(signal: i32) -> String {
    let known = [
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGSYS, "SIGSYS"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGXCPU, "SIGXCPU"),
        (libc::SIGXFSZ, "SIGXFSZ"),
    ];
    let name = known.into_iter().find(|(number, _)| *number == signal);
    name.map_or_else(|| format!("signal {signal}"), |(_, name)| name.into())
}
