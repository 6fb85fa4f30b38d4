//! Runs beside many containers that live.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use cofferdam::{Child, Container, Error as Failure, Stdio};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::contenders::run;
use super::setting::Setting;
use crate::support::bystander::Host;
use crate::support::c;
use crate::support::measure::{self, Contestant};
use crate::support::plot::{Line, Plot};
use crate::support::run::{contained, container};
use crate::support::system::free_memory;

/// A workload that waits for a signal.
const IDLE: &str = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n";
const COUNTS: &[usize] = &[1, 10, 100, 500, 1000, 2000, 3000, 4000, 5000];
/// Memory that is touched beforehand, in MiB: a virtual machine gets its memory when it is first used, which
/// would be counted against the later containers.
const TOUCHED: u64 = 6 << 10;

pub fn measure(
    setting: &Setting,
    most: usize,
    plots: Option<&Path>,
    summary: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    let quick = most <= 100;
    // Each that lives has descriptors of the host program.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    touch_memory(quick)?;
    let idle = container(&c::compile(setting.directory.path(), "idle", IDLE)?);
    let idle = idle.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Started before there are descriptors that it would inherit and close.
    let mut other = Host::start(1, &setting.program, &[])?;
    let mut children = Vec::new();
    let mut lines = NAMES.map(Line::new);
    for count in COUNTS.iter().filter(|count| **count <= most) {
        fill(&mut children, &idle, *count)?;
        let samples = beside(setting, &mut other, quick);
        summary.push(format!("FIGURE live_{count}_us {:.0}", samples.figure(0)));
        summary.push(format!("RATIO live_{count}_over_other_host {:.3}", samples.ratio(0, 1)));
        for (index, line) in lines.iter_mut().enumerate() {
            line.points.push((*count as f64, samples.figure(index)));
        }
    }
    Plot { title: "A run, beside containers that live", x: "containers that live", lines: &lines }
        .write(plots, "latency-by-live-containers.svg")
}

fn fill(children: &mut Vec<Child>, idle: &Container, count: usize) -> Result<(), Failure> {
    while children.len() < count {
        children.push(idle.spawn()?);
    }
    Ok(())
}

/// Who holds the containers, a host program that holds none, and the former without a container.
const NAMES: [&str; 3] =
    ["a run by their host program", "a run by another host program", "posix_spawn by the first"];

/// What a machine with so many containers takes for a run, the other host says; the first has more descriptors.
fn beside(setting: &Setting, other: &mut Host, quick: bool) -> measure::Samples {
    let mut plain = Command::new(&setting.program);
    let mut contestants: [Contestant<'_>; 3] = [
        Box::new(|| contained(&setting.container)),
        Box::new(|| other.run().expect("a run in another host").time),
        Box::new(|| run(&mut plain)),
    ];
    measure::interleave(&mut contestants, measure::seconds(quick, 2))
}

fn touch_memory(quick: bool) -> Result<(), Box<dyn Error>> {
    let wanted = if quick { 0 } else { TOUCHED.min(free_memory()? / 2) };
    black_box(vec![1u8; (wanted << 20) as usize]);
    Ok(())
}
