//! The filters that are compared.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use cofferdam::{Container, Seccomp, SeccompAction};

use crate::support::measure::{median, time};
use crate::support::run::container;
use crate::support::steps;

/// Allows everything, but keys: so a container with it has the same steps as one with the default policy, which
/// leaves the keyring alone.
pub fn allowing() -> Seccomp {
    Seccomp::new(SeccompAction::Allow).deny(["keyctl", "add_key", "request_key"])
}

/// How long the programs are, and what it takes to compile one.
pub fn measure(program: &Path, rounds: usize) -> Result<(), Box<dyn Error>> {
    let length = length(&container(program))?;
    println!("FIGURE default_instructions {length}");
    println!("FIGURE allowing_instructions {}", self::length(&container(program).seccomp(allowing()))?);
    let first_and_second = |_| -> Result<f64, Box<dyn Error>> {
        // Not the default itself, which is compiled once in a process.
        let fresh = container(program).seccomp(Seccomp::default().allow(["getpid"]));
        let (first, second) = (explain(&fresh), explain(&fresh));
        Ok(first.saturating_sub(second).as_secs_f64() * 1e6)
    };
    let compiling = (0..rounds).map(first_and_second).collect::<Result<_, _>>()?;
    println!("FIGURE compile_us {:.0} (once for a policy)", median(compiling));
    Ok(())
}

/// Planning compiles the policy the first time.
fn explain(container: &Container) -> Duration {
    time(|| drop(container.explain().expect("a plan")))
}

fn length(container: &Container) -> Result<usize, Box<dyn Error>> {
    let steps = steps::read(&container.explain()?);
    let step = steps.iter().find(|step| step.name == "seccomp").ok_or("the container has no filter")?;
    Ok(step.detail.split_whitespace().next().unwrap_or_default().parse()?)
}
