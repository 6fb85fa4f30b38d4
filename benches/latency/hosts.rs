//! Runs from hosts with little and with much memory.

use std::error::Error;
use std::path::Path;

use crate::support::bystander::Host;
use crate::support::measure::{self, Contestant};
use crate::support::plot::{Line, Plot};
use crate::support::system::free_memory;

/// Memory that the hosts have touched, in MiB.
const SIZES: &[u64] = &[1, 4, 16, 64, 256, 1024, 4096];

pub fn measure(
    program: &Path,
    quick: bool,
    plots: Option<&Path>,
    summary: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    // All hosts live at once; half of what is free must stay so.
    let most = if quick { 64 } else { free_memory()? / 4 };
    let sizes: Vec<u64> = SIZES.iter().copied().filter(|size| *size <= most).collect();
    let mut hosts = Vec::new();
    for size in &sizes {
        hosts.push(Host::start(*size, program, &[])?);
    }
    let mut contestants: Vec<_> = hosts.iter_mut().map(contestant).collect();
    let samples = measure::interleave(&mut contestants, measure::seconds(quick, 15));
    let mut lines = [Line::new("90th percentile"), Line::new("median")];
    for (index, size) in sizes.iter().enumerate() {
        summary.push(format!("FIGURE host_{size}_mib_us {:.0}", samples.figure(index)));
        lines[0].points.push((*size as f64, samples.quantile(index, 0.9)));
        lines[1].points.push((*size as f64, samples.figure(index)));
    }
    summary.push(format!("RATIO host_rss {:.3}", samples.ratio(sizes.len() - 1, 0)));
    Plot {
        title: "A run, by the size of the host program",
        x: "memory of the host program, MiB",
        lines: &lines,
    }
    .write(plots, "latency-by-host-size.svg")
}

fn contestant(host: &mut Host) -> Contestant<'_> {
    Box::new(|| host.run().expect("a run in a host").time)
}
