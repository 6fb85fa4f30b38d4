//! What it costs to start a program in a container, measured against what it has to cost.
//!
//! `cargo bench --bench spawn` prints, for each result, a line that starts with
//!
//! - `FIGURE name value`: a median, in the unit that the name ends with. It says something about this
//!   machine at this moment.
//! - `RATIO name value`: two things measured in turn in one run. It says something about the library.
//! - `SKIP name reason`: what could not be measured here.
//!
//! `-- --quick` measures for a shorter time, for CI. It works as root and as an ordinary user. It needs a C
//! compiler with a static C library, and rustc, which makes the bare program that a run is held against;
//! bubblewrap is measured where it is installed. `docs/performance.md` says what the results mean.

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use cofferdam::Seccomp;
use support::bystander::{self, Host};
use support::measure::{self, Contestant};
use support::options::{self, Common, Hosted};
use support::run::{PLACE, contained, container};
use support::system::free_memory;
use support::{c, floor, peers};

#[allow(dead_code)]
#[path = "support/filter.rs"]
mod filter;
mod support;

/// Memory of the large host of `host_rss`, in MiB, and what must be free to have it.
const LARGE_HOST: u64 = 4 << 10;
const LARGE_HOST_NEEDS: u64 = 6 << 10;
/// Memory of the large host of `maxrss`, in MiB.
const MEDIUM_HOST: u64 = 256;
/// Memory of the hosts that these are compared with, in MiB.
const SMALL_HOST: u64 = 1;

/// Measures the cost of containers.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    hosted: Hosted,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    options::finish(match (arguments.hosted.host, &arguments.hosted.program) {
        (Some(mebibytes), Some(program)) => bystander::serve(mebibytes, &container(program)),
        _ => measure_all(arguments.common.quick),
    })
}

fn measure_all(quick: bool) -> Result<(), Box<dyn Error>> {
    let time = Duration::from_secs(if quick { 1 } else { 12 });
    let directory = tempfile::tempdir()?;
    let program = c::compile(directory.path(), "noop", c::NOOP)?;
    cold(&program, directory.path(), time)?;
    host_memory(&program, time)?;
    measured_memory(&program)?;
    compare_with_peers(&program, time / 2)
}

/// Runs a program without container, as `std` does it: a vfork-style spawn, and a wait.
fn run(command: &mut Command) -> Duration {
    measure::time(|| {
        let status = command.status().expect("a program that ran a moment ago");
        assert!(status.success(), "{command:?} ended with {status}");
    })
}

/// A run with everything fresh, against the bare program and against no container at all.
fn cold(program: &Path, directory: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
    let container = container(program);
    let bare = floor::compile(&container.explain()?, PLACE, &filter::of(Seccomp::default())?, directory)?;
    let (mut bare, mut plain) = (Command::new(bare), Command::new(program));
    let mut contestants: [Contestant<'_>; 3] =
        [Box::new(|| contained(&container)), Box::new(|| run(&mut bare)), Box::new(|| run(&mut plain))];
    let samples = measure::interleave(&mut contestants, time);
    println!("FIGURE cold_us {:.0}", samples.figure(0));
    println!("FIGURE bare_us {:.0}", samples.figure(1));
    println!("FIGURE posix_spawn_us {:.0}", samples.figure(2));
    println!("RATIO cold_full {:.3}", samples.ratio(0, 1));
    println!("RATIO cold_over_posix_spawn {:.3}", samples.ratio(0, 2));
    Ok(())
}

/// The same run from a host with much memory and from one with little.
fn host_memory(program: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
    let free = free_memory()?;
    let (size, note) = match free {
        LARGE_HOST_NEEDS.. => (LARGE_HOST, String::new()),
        _ => (free / 2, format!(" (only {free} MiB are free)")),
    };
    let (mut large, mut small) = (Host::start(size, program, &[])?, Host::start(SMALL_HOST, program, &[])?);
    let mut contestants: [Contestant<'_>; 2] = [
        Box::new(|| large.run().expect("a run in the large host").time),
        Box::new(|| small.run().expect("a run in the small host").time),
    ];
    let samples = measure::interleave(&mut contestants, time);
    println!("FIGURE host_{size}_mib_us {:.0}", samples.figure(0));
    println!("FIGURE host_{SMALL_HOST}_mib_us {:.0}", samples.figure(1));
    println!("RATIO host_rss {:.3}{note}", samples.ratio(0, 1));
    Ok(())
}

/// The workload's own peak memory must not be the host's.
fn measured_memory(program: &Path) -> Result<(), Box<dyn Error>> {
    let mut medium = Host::start(MEDIUM_HOST, program, &[])?;
    let mut small = Host::start(SMALL_HOST, program, &[])?;
    let (in_medium, in_small) = (medium.run()?.memory_peak, small.run()?.memory_peak);
    println!("FIGURE maxrss_kib {}", in_medium >> 10);
    println!("RATIO maxrss {:.3}", in_medium as f64 / in_small as f64);
    Ok(())
}

/// Other tools doing comparable work.
fn compare_with_peers(program: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
    let container = container(program);
    let mut bubblewrap = match peers::bubblewrap(&container.explain()?, PLACE) {
        Ok(command) => command,
        Err(reason) => {
            println!("SKIP bubblewrap {reason}");
            return Ok(());
        }
    };
    let mut contestants: [Contestant<'_>; 2] =
        [Box::new(|| contained(&container)), Box::new(|| run(&mut bubblewrap))];
    let samples = measure::interleave(&mut contestants, time);
    println!("FIGURE bubblewrap_us {:.0}", samples.figure(1));
    println!("RATIO cold_over_bubblewrap {:.3}", samples.ratio(0, 1));
    Ok(())
}
