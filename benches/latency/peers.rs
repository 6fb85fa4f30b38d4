//! Other libraries, each in a program of its own: a line that it reads says what to run and how often, and a line
//! that it writes how many nanoseconds that took.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::contenders::Runner;
use super::setting::Setting;
use crate::support::worker::Worker;

/// A program around go-sandbox, which must be built already: Go fetches what it needs from elsewhere.
const GO_SANDBOX: &str = "COFFERDAM_GO_SANDBOX";

pub fn hakoniwa(kind: &'static str, setting: &Setting) -> Result<Runner<'static>, String> {
    runner(&built("hakoniwa", setting.quick)?, kind, setting)
}

pub fn go_sandbox(kind: &'static str, setting: &Setting) -> Result<Runner<'static>, String> {
    let program = env::var_os(GO_SANDBOX).ok_or(format!("{GO_SANDBOX} names no program"))?;
    runner(Path::new(&program), kind, setting)
}

/// Starts the peer, and sees whether it can do a run.
fn runner(program: &Path, kind: &'static str, setting: &Setting) -> Result<Runner<'static>, String> {
    let mut command = Command::new(program);
    let mut worker = Worker::outside(command.args([&setting.program, &setting.filter, &setting.steps]))
        .map_err(|error| error.to_string())?;
    let mut work = move |runs: u32| worker.work(&format!("{kind} {runs}"));
    work(1).map_err(|error| error.to_string())?;
    Ok(Box::new(move |runs| -> Duration { work(runs).expect("a peer that worked a moment ago") }))
}

/// Builds a program below `benches/peers`, with a target directory of its own below ours.
fn built(name: &str, quick: bool) -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name);
    let bench = env::current_exe().map_err(|error| error.to_string())?;
    // The bench is in release/deps.
    let target = bench.ancestors().nth(3).ok_or("there is no target directory")?.join("peers");
    let program = target.join(format!("release/peer-{name}"));
    if quick && !program.exists() {
        return Err("it is not built, and nothing is with --quick".into());
    }
    if !sources.exists() {
        return Err("its sources are not here".into());
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--release", "--quiet", "--locked", "--target-dir"]).arg(target);
    let output = cargo.current_dir(sources).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(program) } else { Err(said.trim().replace('\n', "; ")) }
}
