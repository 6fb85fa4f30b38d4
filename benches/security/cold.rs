//! What the default filter adds to a whole run.

use std::path::Path;
use std::time::Duration;

use cofferdam::Seccomp;

use super::policy;
use crate::support::measure::{self, Contestant};
use crate::support::run::{contained, container};

pub fn measure(program: &Path, time: Duration) {
    let default = container(program);
    let allowing = default.clone().seccomp(policy::allowing());
    let unconfined = default.clone().seccomp(Seccomp::unconfined());
    let mut contestants: [Contestant<'_>; 3] = [
        Box::new(|| contained(&default)),
        Box::new(|| contained(&allowing)),
        Box::new(|| contained(&unconfined)),
    ];
    let samples = measure::interleave(&mut contestants, time);
    println!("FIGURE cold_us {:.0}", samples.figure(0));
    println!("FIGURE cold_allowing_us {:.0}", samples.figure(1));
    println!("FIGURE cold_unconfined_us {:.0}", samples.figure(2));
    println!("FIGURE cold_added_us {:.0} (at most 60)", samples.difference(0, 1));
    println!("FIGURE cold_added_to_unconfined_us {:.0}", samples.difference(0, 2));
    println!("FIGURE cold_rounds {}", samples.rounds());
}
