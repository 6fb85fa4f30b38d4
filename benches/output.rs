//! How fast what a workload writes comes through `output()`, held against plain pipes.
//!
//! `cargo bench --bench output` prints lines as the bench `spawn` does. A static program writes 1 GiB (`-- --quick`:
//! 128 MiB), which is read into memory: by `Container::output`, by `std::process::Command::output`, and by
//! `read_to_end` from a single pipe. A `RATIO` is the library's throughput over theirs: more is better.

use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use cofferdam::Container;
use support::c;
use support::measure::{self, Contestant};
use support::options::{self, Common};
use support::run::PLACE;

mod support;

/// Writes as many MiB as its argument says.
const WRITER: &str = "
#include <stdlib.h>
#include <unistd.h>
static char bytes[64 << 10];
int main(int count, char **arguments) {
    for (long left = atol(arguments[1]) << 20; left > 0;) {
        ssize_t written = write(1, bytes, sizeof bytes);
        if (written < 0) return 1;
        left -= written;
    }
    return 0;
}
";

/// Measures the way of a workload's output.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let quick = Arguments::parse().common.quick;
    options::finish(measure_all(
        if quick { 128 } else { 1024 },
        Duration::from_secs(if quick { 2 } else { 30 }),
    ))
}

fn measure_all(mebibytes: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let program = c::compile(directory.path(), "writer", WRITER)?;
    let container =
        Container::new().command(PLACE).bind_read_only(&program, PLACE).arg(mebibytes.to_string());
    let mut contestants: [Contestant<'_>; 3] = [
        Box::new(|| collect(mebibytes, || container.output().expect("a run").stdout)),
        Box::new(|| collect(mebibytes, || command(&program, mebibytes).output().expect("a run").stdout)),
        Box::new(|| collect(mebibytes, || single_pipe(&mut command(&program, mebibytes)))),
    ];
    let samples = measure::interleave(&mut contestants, time);
    println!("FIGURE output_mib {mebibytes}");
    for (contestant, name) in
        ["output_us", "output_of_command_us", "output_single_pipe_us"].iter().enumerate()
    {
        println!("FIGURE {name} {:.0}", samples.figure(contestant));
    }
    println!("RATIO output_pipe {:.3}", samples.ratio(1, 0));
    println!("RATIO output_single_pipe {:.3}", samples.ratio(2, 0));
    Ok(())
}

fn command(program: &Path, mebibytes: usize) -> Command {
    let mut command = Command::new(program);
    command.arg(mebibytes.to_string());
    command
}

/// Times what collects so much. To give the memory back is part of it, as the next one takes it again.
fn collect(mebibytes: usize, run: impl FnOnce() -> Vec<u8>) -> Duration {
    measure::time(|| assert_eq!(run().len(), mebibytes << 20))
}

fn single_pipe(command: &mut Command) -> Vec<u8> {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a program");
    let mut bytes = Vec::new();
    child.stdout.take().expect("a pipe").read_to_end(&mut bytes).expect("a pipe");
    assert!(child.wait().expect("a child").success());
    bytes
}
