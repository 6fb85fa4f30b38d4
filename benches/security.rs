//! What the filter of system calls costs.
//!
//! `cargo bench --bench security` prints lines as the bench `spawn` does: `FIGURE name value`, in the unit that
//! the name ends with; `RATIO name value`; `SKIP name reason`. What there is to aim at stands behind the value.
//!
//! `-- --quick` measures for a shorter time, for CI; `-- calls` (or `policy`, `attach`, `cold`, `work`, `notify`)
//! makes a part of the measurements. It works as root and as an ordinary user, and needs a C compiler with a
//! static C library. `docs/performance.md` says what the results mean.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use parts::{attach, calls, cold, notify, policy, work};
use support::c;
use support::options::{self, Common};

#[path = "support/filter.rs"]
mod filter;
#[path = "security/mod.rs"]
mod parts;
mod support;

/// Measures the filter of system calls.
#[derive(Parser)]
struct Arguments {
    /// The measurements to make; all if none is named.
    parts: Vec<Part>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// The length of the filters, and compiling them.
    Policy,
    /// Single system calls.
    Calls,
    /// Attaching filters.
    Attach,
    /// Whole runs.
    Cold,
    /// Programs that compute and programs that use files.
    Work,
    /// Calls that somebody else decides on.
    Notify,
}

fn main() -> ExitCode {
    options::finish(measure(&Arguments::parse()))
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let wanted = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    let time = Duration::from_secs(if arguments.common.quick { 1 } else { 10 });
    let directory = tempfile::tempdir()?;
    let compile = |name, source| c::compile(directory.path(), name, source);
    let noop = compile("noop", c::NOOP)?;
    let calls = compile("calls", include_str!("security/calls.c"))?;
    if wanted(Part::Policy) {
        policy::measure(&noop, 25)?;
    }
    if wanted(Part::Calls) {
        calls::measure(&calls, time)?;
    }
    if wanted(Part::Attach) {
        let attach = compile("attach", include_str!("security/attach.c"))?;
        attach::measure(&attach, directory.path(), time)?;
    }
    if wanted(Part::Cold) {
        cold::measure(&noop, 3 * time);
    }
    if wanted(Part::Work) {
        work::measure(&compile("work", include_str!("security/work.c"))?, time)?;
    }
    if wanted(Part::Notify) {
        notify::measure(&calls, time)?;
    }
    Ok(())
}
