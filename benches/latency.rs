//! How long runs take, beside other ways to run the same program, and how many two threads can make.
//!
//! `cargo bench --bench latency` has criterion measure the distributions, with plots below `criterion/report` in
//! cargo's target directory. At the end it prints lines as the bench `spawn` does: `FIGURE name value`, in the
//! unit that the name ends with; `RATIO name value`, from runs made in turn, with what there is to aim at behind
//! it; `SKIP name reason`.
//!
//! `-- --quick` measures for a shorter time, for CI; `-- latency` (or `throughput`, `hosts`, `live`) makes a part
//! of the measurements. `-- --plots DIRECTORY` draws those of the last two. It works as root and as an ordinary
//! user, and needs a C compiler with a static C library, and rustc. Other tools are measured where they are
//! installed. `docs/performance.md` says which, and what the results mean.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use parts::setting::Setting;
use parts::{contenders, distributions, hosts, live, targets, throughput};
use support::bystander;
use support::options::{self, Common, Hosted};
use support::run::container;

#[allow(dead_code)]
#[path = "support/filter.rs"]
mod filter;
#[path = "latency/mod.rs"]
mod parts;
mod support;

/// Measures runs beside other ways to make them.
#[derive(Parser)]
struct Arguments {
    /// The measurements to make; all if none is named.
    parts: Vec<Part>,
    /// Write the plots there, as SVG.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// At most so many containers that live at once.
    #[arg(long, default_value_t = 5000)]
    most: usize,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    hosted: Hosted,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// One run after the other.
    Latency,
    /// Runs from two threads.
    Throughput,
    /// Runs from hosts of different sizes.
    Hosts,
    /// Runs beside many containers that live.
    Live,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    options::finish(match (arguments.hosted.host, &arguments.hosted.program) {
        (Some(mebibytes), Some(program)) => bystander::serve(mebibytes, &container(program)),
        _ => measure(&arguments),
    })
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let wanted = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    let (quick, plots) = (arguments.common.quick, arguments.plots.as_deref());
    let setting = Setting::new(quick)?;
    let mut summary = Vec::new();
    if wanted(Part::Latency) || wanted(Part::Throughput) {
        let mut contenders = contenders::ready(contenders::all(&setting), &mut summary);
        if wanted(Part::Latency) {
            distributions::measure(&mut contenders, quick, &mut summary);
            targets::measure(&mut contenders, quick, &mut summary);
        }
        if wanted(Part::Throughput) {
            throughput::measure(&contenders, quick, &mut summary);
        }
    }
    if wanted(Part::Hosts) {
        hosts::measure(&setting.program, quick, plots, &mut summary)?;
    }
    if wanted(Part::Live) {
        let most = if quick { arguments.most.min(100) } else { arguments.most };
        live::measure(&setting, most, plots, &mut summary)?;
    }
    println!();
    summary.iter().for_each(|line| println!("{line}"));
    Ok(())
}
