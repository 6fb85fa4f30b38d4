//! The peak memory of a program that touches 64 MiB: as the report tells it, and as the kernel counts it for
//! the same program without a container.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use cofferdam::{Container, Report, Stdio};

use super::group::Group;
use super::programs::{Programs, obstacle};
use crate::support::bystander::Host;
use crate::support::measure::median;
use crate::support::run::container;

const LIMIT: u64 = 128 << 20;
/// Memory of the hosts that run the program, in MiB.
const LARGE_HOST: u64 = 1 << 10;
const SMALL_HOST: u64 = 1;

/// The container that a host is started for.
pub fn hosted(program: &Path, limited: bool) -> Container {
    let container = container(program).stdout(Stdio::null());
    if limited { container.memory_limit(LIMIT) } else { container }
}

pub fn measure(programs: &Programs, rounds: usize) -> Result<(), Box<dyn Error>> {
    largest_resident_set(programs, rounds)?;
    size_of_host(programs, "maxrss", &[])?;
    match obstacle(&hosted(&programs.touch, true)) {
        None => {
            peak_of_group(programs, rounds)?;
            size_of_host(programs, "memory", &["--limited"])
        }
        Some(reason) => {
            println!("SKIP memory {reason}");
            Ok(())
        }
    }
}

/// Without cgroup.
fn largest_resident_set(programs: &Programs, rounds: usize) -> Result<(), Box<dyn Error>> {
    let contained = container(&programs.touch);
    let mut bare = Command::new(&programs.touch);
    bare.arg("tell");
    let (mut ours, mut kernels) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(kibibytes(&contained.spawn()?.wait()?));
        kernels.push(String::from_utf8(bare.output()?.stdout)?.trim().parse()?);
    }
    print("maxrss", ours, kernels);
    Ok(())
}

/// Under a limit of memory.
fn peak_of_group(programs: &Programs, rounds: usize) -> Result<(), Box<dyn Error>> {
    let contained = hosted(&programs.touch, true);
    // On v2 the first container has the controller passed on to the groups beside it.
    contained.spawn()?.wait()?;
    let (mut ours, mut kernels) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let report = contained.spawn()?.wait()?;
        ours.push(kibibytes(&report));
        let group = Group::beside(&contained)?;
        kernels.push(group.peak_of(&programs.touch)? as f64 / 1024.0);
    }
    print("memory", ours, kernels);
    Ok(())
}

fn kibibytes(report: &Report) -> f64 {
    assert!(report.success(), "the workload ended with {}", report.status());
    report.memory_peak() as f64 / 1024.0
}

fn print(name: &str, ours: Vec<f64>, kernels: Vec<f64>) {
    let (ours, kernels) = (median(ours), median(kernels));
    println!("FIGURE {name}_kib {ours:.0}");
    println!("FIGURE {name}_bare_kib {kernels:.0}");
    println!("RATIO {name}_over_bare {:.4}", ours / kernels);
}

/// From a host with much memory, and from one with little.
fn size_of_host(programs: &Programs, name: &str, options: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut large = Host::start(LARGE_HOST, &programs.touch, options)?;
    let mut small = Host::start(SMALL_HOST, &programs.touch, options)?;
    let (mut in_large, mut in_small) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        in_large.push(large.run()?.memory_peak as f64);
        in_small.push(small.run()?.memory_peak as f64);
    }
    println!("RATIO {name}_large_host {:.4}", median(in_large) / median(in_small));
    Ok(())
}
