//! Control groups: one directory for each hierarchy that a limit needs, below the host program's own
//! group, so that limits from outside keep holding. cgroups(7).
//!
//! `hierarchy` finds what is mounted and where the host program is, `place` whether groups can be made there,
//! `layout` which ones a container needs (all without changing anything); `group` makes and removes them,
//! `sweep` removes what crashed host programs left, `figures` reads what was used.

mod figures;
mod group;
mod hierarchy;
mod layout;
mod name;
mod place;
mod reuse;
mod settings;
mod sweep;

pub(super) use group::{Freezing, Groups, create};
pub(super) use layout::{GroupPlan, Layout, plan};
pub(super) use reuse::residue;

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// The step of all errors about groups.
const STEP: &str = "cgroup";

/// The group below a delegated one into which the host program moves, where cgroup v2 allows a group either
/// processes or limited children.
const HOST_GROUP: &str = "cofferdam-host";

fn unavailable(error: Error) -> Error {
    error.with_kind(ErrorKind::LimitUnavailable)
}

fn read(directory: &Path, file: &str) -> Option<String> {
    read_at_once(&directory.join(file)).ok()
}

/// What the kernel says in one of its own files. It says so much at once, if it can be said in a page; the standard
/// library would ask for the size first, and read on to find the end.
fn read_at_once(path: &Path) -> io::Result<String> {
    /// A longer text may have come in part.
    const SHORT: usize = 2 << 10;
    let mut file = fs::File::open(path)?;
    let mut bytes = vec![0; 8 << 10];
    let count = file.read(&mut bytes)?;
    bytes.truncate(count);
    if count >= SHORT {
        file.read_to_end(&mut bytes)?;
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Whether a text has this word among others.
fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|known| known == word)
}
