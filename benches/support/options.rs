//! What the benches have in common at the command line.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Options of every bench.
#[derive(Args)]
pub struct Common {
    /// Measure for a shorter time.
    #[arg(long)]
    pub quick: bool,
    /// Passed by cargo to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How a bench starts itself as a host: see `bystander`.
#[derive(Args)]
pub struct Hosted {
    /// Be a host with so many MiB of memory that runs `program`.
    #[arg(long, hide = true, requires = "program")]
    pub host: Option<u64>,
    /// The workload of such a host.
    #[arg(long, hide = true)]
    pub program: Option<PathBuf>,
}

/// Says what went wrong, if something did.
pub fn finish(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
