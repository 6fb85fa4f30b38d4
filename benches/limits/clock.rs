//! The CPU time of the report against what the workload's own clock says.

use std::error::Error;
use std::time::Duration;

use cofferdam::Container;

use super::programs::{Programs, obstacle};
use crate::support::measure::median;
use crate::support::run::container;

pub fn measure(programs: &Programs, rounds: usize) -> Result<(), Box<dyn Error>> {
    let without = container(&programs.clock);
    let within = without.clone().accounting(true);
    let obstacle = obstacle(&within);
    let (mut ratios_without, mut ratios_within) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ratios_without.push(ratio(&without)?);
        if obstacle.is_none() {
            ratios_within.push(ratio(&within)?);
        }
    }
    println!("RATIO cpu_time_without_cgroup {:.4}", median(ratios_without));
    match obstacle {
        None => println!("RATIO cpu_time_in_cgroup {:.4}", median(ratios_within)),
        Some(reason) => println!("SKIP cpu_time_in_cgroup {reason}"),
    }
    Ok(())
}

fn ratio(container: &Container) -> Result<f64, Box<dyn Error>> {
    let output = container.output()?;
    let own = Duration::from_nanos(String::from_utf8(output.stdout)?.trim().parse()?);
    Ok(output.report.cpu_time().as_secs_f64() / own.as_secs_f64())
}
