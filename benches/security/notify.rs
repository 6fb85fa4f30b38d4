//! Calls that somebody else decides on: a handler in the host program, or init, which notes them.

use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::Duration;

use cofferdam::{Notifier, Seccomp};

use crate::support::measure::{self, Contestant};
use crate::support::run::container;
use crate::support::worker::Worker;

/// How often a call is made in a round.
const TIMES: usize = 200;

pub fn measure(program: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
    let policy = Seccomp::default();
    let notified = container(program).seccomp(policy.clone().notify(["getpid"]));
    let reported = container(program).seccomp(policy.deny(["getpid"]).report_only());
    let mut notified = Worker::inside(&notified)?;
    let notifier = notified.notifier().ok_or("the container has no notifier")?;
    let handler = thread::spawn(move || answer_all(&notifier));
    let mut reported = Worker::inside(&reported)?;
    let request = format!("g {TIMES}");
    let mut contestants: [Contestant<'_>; 2] = [
        Box::new(|| notified.work(&request).expect("a worker")),
        Box::new(|| reported.work(&request).expect("a worker")),
    ];
    let samples = measure::interleave(&mut contestants, time);
    drop(contestants);
    println!("FIGURE notify_round_trip_us {:.1}", samples.figure(0) / TIMES as f64);
    println!("FIGURE report_only_us {:.1}", samples.figure(1) / TIMES as f64);
    drop(notified);
    handler.join().map_err(|_| "the handler panicked")??;
    Ok(())
}

fn answer_all(notifier: &Notifier) -> cofferdam::Result<()> {
    while let Some(call) = notifier.next()? {
        call.succeed(1)?;
    }
    Ok(())
}
