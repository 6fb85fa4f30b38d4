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

/// The kernel says of its own files that they have no size, and the standard library would begin with a few bytes.
fn read_at_once(path: &Path) -> io::Result<String> {
    let mut text = String::with_capacity(8 << 10);
    fs::File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Whether a text has this word among others.
fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|known| known == word)
}
