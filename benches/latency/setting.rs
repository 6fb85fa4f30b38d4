//! What all contenders run, and in what.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use cofferdam::{Child, Container, Pool, Seccomp, Stdio};
use tempfile::TempDir;

use crate::filter;
use crate::support::run::{PLACE, container};
use crate::support::{c, floor};

/// What the limits of those contenders are that have limits. None is reached.
pub const MEMORY_LIMIT: u64 = 64 << 20;
pub const PIDS_LIMIT: u64 = 64;

/// Two threads run, and what each has just used is being made as new.
const SLOTS: usize = 4;

pub struct Setting {
    /// Ends at once.
    pub program: PathBuf,
    /// The defaults.
    pub container: Container,
    /// The same with limits of memory and processes.
    pub limited: Container,
    /// Containers with those limits, ready: as many as threads use at a time, and as many being made as new.
    pub pool: Result<Pool, String>,
    /// A container that runs, for commands beside its workload.
    pub running: Child,
    /// The steps of the container, and a file with them.
    pub explained: String,
    pub steps: PathBuf,
    /// The system calls of a run without a library.
    pub bare: PathBuf,
    /// The instructions of the default filter.
    pub filter: PathBuf,
    /// Other programs that were built may be measured, but none is built.
    pub quick: bool,
    pub directory: TempDir,
}

impl Setting {
    pub fn new(quick: bool) -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let program = c::compile(directory.path(), "noop", c::NOOP)?;
        let container = container(&program);
        let limited = container.clone().memory_limit(MEMORY_LIMIT).pids_limit(PIDS_LIMIT);
        let pool = Pool::new(&limited, SLOTS).map_err(|error| error.to_string().replace('\n', "; "));
        let running = container.clone().command("cat").stdin(Stdio::piped()).spawn()?;
        let explained = container.explain()?;
        let instructions = filter::of(Seccomp::default())?;
        let bare = floor::compile(&explained, PLACE, &instructions, directory.path())?;
        let filter = filter::write(directory.path(), "filter", &instructions)?;
        let steps = directory.path().join("steps");
        fs::write(&steps, &explained)?;
        Ok(Setting {
            program,
            container,
            limited,
            pool,
            running,
            explained,
            steps,
            bare,
            filter,
            quick,
            directory,
        })
    }
}
