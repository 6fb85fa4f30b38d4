//! The workloads.

use std::error::Error;
use std::path::{Path, PathBuf};

use cofferdam::Container;

use crate::support::c;

/// The compiled workloads; each source says what it does.
pub struct Programs {
    /// Ends at once.
    pub noop: PathBuf,
    pub load: PathBuf,
    pub timer: PathBuf,
    pub clock: PathBuf,
    pub touch: PathBuf,
}

impl Programs {
    pub fn compile(directory: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Programs {
            noop: c::compile(directory, "noop", c::NOOP)?,
            load: c::compile(directory, "load", include_str!("load.c"))?,
            timer: c::compile(directory, "timer", include_str!("timer.c"))?,
            clock: c::compile(directory, "clock", include_str!("clock.c"))?,
            touch: c::compile(directory, "touch", include_str!("touch.c"))?,
        })
    }
}

/// Why this container cannot be had here, in one line.
pub fn obstacle(container: &Container) -> Option<String> {
    let error = container.explain().err()?;
    Some(error.to_string().replace('\n', "; "))
}
