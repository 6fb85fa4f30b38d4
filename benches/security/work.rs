//! What becomes of real work: the same program inside a default container and outside.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::measure::{self, Contestant};
use crate::support::run::container;
use crate::support::worker::Worker;

/// A tmpfs that every user may write to.
const OUTSIDE: &str = "/dev/shm";

/// By name, and as `work.c` is asked for it: some milliseconds each.
const WORK: [(&str, &str); 3] = [("compute", "c 10"), ("files", "f 30"), ("read_usr", "r 5")];

pub fn measure(program: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
    let mut inside = Worker::inside(&container(program).arg("/tmp"))?;
    let mut outside = Worker::outside(Command::new(program).arg(OUTSIDE))?;
    for (name, request) in WORK {
        if let Err(error) = outside.work(request) {
            println!("SKIP {name} {error}: {OUTSIDE} may be no tmpfs");
            continue;
        }
        let mut contestants: [Contestant<'_>; 2] = [
            Box::new(|| inside.work(request).expect("a worker")),
            Box::new(|| outside.work(request).expect("a worker")),
        ];
        let samples = measure::interleave(&mut contestants, time);
        println!("FIGURE {name}_us {:.0}", samples.figure(0));
        println!("FIGURE {name}_outside_us {:.0}", samples.figure(1));
        println!("RATIO {name}_over_outside {:.4} (at most 1.02)", samples.ratio(0, 1));
    }
    Ok(())
}
