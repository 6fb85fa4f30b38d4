//! What it takes to attach a filter: the kernel checks and translates it, and tries it with every number.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::filter;
use crate::support::measure::{self, Contestant};
use crate::support::worker::Worker;
use cofferdam::{Seccomp, SeccompAction};

/// How many children attach it in a round.
const TIMES: usize = 10;

pub fn measure(program: &Path, directory: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
    let attaching = |name: &str, instructions: &[u8]| -> Result<Worker, Box<dyn Error>> {
        let file = filter::write(directory, name, instructions)?;
        Worker::outside(Command::new(program).arg(file))
    };
    let mut default = attaching("default.bpf", &filter::of(Seccomp::default())?)?;
    let mut compute = attaching("compute.bpf", &filter::of(Seccomp::compute_only())?)?;
    let mut allowing = attaching("allowing.bpf", &filter::of(Seccomp::new(SeccompAction::Allow))?)?;
    let mut shortest = attaching("shortest.bpf", &filter::shortest())?;
    let request = TIMES.to_string();
    let mut contestants: [Contestant<'_>; 4] = [&mut default, &mut compute, &mut allowing, &mut shortest]
        .map(|worker| -> Contestant<'_> { Box::new(|| worker.work(&request).expect("a worker")) });
    let samples = measure::interleave(&mut contestants, time);
    for (number, name) in ["default", "compute_only", "allowing", "shortest"].into_iter().enumerate() {
        println!("FIGURE attach_{name}_us {:.1}", samples.figure(number));
    }
    println!("FIGURE attach_added_us {:.1}", samples.difference(0, 3));
    Ok(())
}
