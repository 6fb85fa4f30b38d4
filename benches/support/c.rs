//! Workloads in C: static, so that there is no dynamic linker to measure.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that ends at once.
pub const NOOP: &str = "int main(void) { return 0; }\n";

/// Compiles a source to a program of this name.
pub fn compile(directory: &Path, name: &str, source: &str) -> Result<PathBuf, Box<dyn Error>> {
    let (file, program) = (directory.join(format!("{name}.c")), directory.join(name));
    fs::write(&file, source)?;
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
    let status = cc.args(["-static", "-O2", "-o"]).arg(&program).arg(&file).status()?;
    if status.success() { Ok(program) } else { Err(format!("the workload {name} did not compile").into()) }
}
