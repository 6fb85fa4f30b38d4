//! Whether limits hold to the moment, whether the figures of the report are true, and what limits cost.
//!
//! `cargo bench --bench limits` prints lines as the bench `spawn` does: `FIGURE name value`, in the unit that
//! the name ends with; `RATIO name value`; `SKIP name reason`. A name ends with `_p99` before its unit where
//! the value is not the median but what 99 of 100 runs stay below.
//!
//! `-- --quick` measures for a shorter time, for CI; `-- wall` (or `cpu`, `clock`, `memory`, `cost`) makes a
//! part of the measurements. It works as root and as an ordinary user; what needs a cgroup is skipped where
//! none is to be had. It needs a C compiler with a static C library. `docs/performance.md` says what the
//! results mean.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use parts::programs::Programs;
use parts::{clock, cost, cpu, memory, wall};
use support::bystander;
use support::options::{self, Common, Hosted};

#[path = "limits/mod.rs"]
mod parts;
mod support;

/// Measures the limits of containers.
#[derive(Parser)]
struct Arguments {
    /// The measurements to make; all if none is named.
    parts: Vec<Part>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    hosted: Hosted,
    /// Such a host limits the workload's memory.
    #[arg(long, hide = true)]
    limited: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Overshoot of the wall limit.
    Wall,
    /// Overshoot of the CPU limit.
    Cpu,
    /// The reported CPU time.
    Clock,
    /// The reported memory.
    Memory,
    /// What limits add to a run.
    Cost,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    options::finish(match (arguments.hosted.host, &arguments.hosted.program) {
        (Some(mebibytes), Some(program)) => {
            bystander::serve(mebibytes, &memory::hosted(program, arguments.limited))
        }
        _ => measure(&arguments),
    })
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let wanted = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    let (time, rounds) =
        if arguments.common.quick { (Duration::from_secs(3), 3) } else { (Duration::from_secs(30), 15) };
    let directory = tempfile::tempdir()?;
    let programs = Programs::compile(directory.path())?;
    if wanted(Part::Wall) {
        wall::measure(&programs, time);
        wall::measure_long(&programs, rounds);
    }
    if wanted(Part::Cpu) {
        cpu::measure(&programs, time);
    }
    if wanted(Part::Clock) {
        clock::measure(&programs, rounds)?;
    }
    if wanted(Part::Memory) {
        memory::measure(&programs, rounds)?;
    }
    if wanted(Part::Cost) {
        cost::measure(&programs, time / 3);
    }
    Ok(())
}
