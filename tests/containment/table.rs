//! All checks, and all parts.

use crate::check::Check;
use crate::stay::{self, Part};
use crate::{
    advisories, descriptors, devices, environment, files, init, ipc, keyrings, namespaces, neighbours,
    privileges, proc, processes, sockets, terminal,
};

/// Every class, with the name of its file.
const CLASSES: &[(&str, &[Check])] = &[
    ("processes", processes::CHECKS),
    ("init", init::CHECKS),
    ("files", files::CHECKS),
    ("sockets", sockets::CHECKS),
    ("keyrings", keyrings::CHECKS),
    ("ipc", ipc::CHECKS),
    ("proc", proc::CHECKS),
    ("devices", devices::CHECKS),
    ("terminal", terminal::CHECKS),
    ("descriptors", descriptors::CHECKS),
    ("environment", environment::CHECKS),
    ("privileges", privileges::CHECKS),
    ("namespaces", namespaces::CHECKS),
    ("neighbours", neighbours::CHECKS),
    ("advisories", advisories::CHECKS),
];

/// The parts that this program plays for somebody else.
pub const PARTS: &[(&str, Part)] = &[
    ("idle", stay::idle),
    ("terminal", terminal::hold),
    ("abstract-socket", sockets::hold_abstract_socket),
    ("port", sockets::hold_port),
    ("ipc", ipc::hold),
    ("file", neighbours::hold_file),
    ("key", keyrings::hold),
    ("lock", neighbours::hold_lock),
    ("watch", advisories::watch),
];

pub fn checks() -> Vec<Check> {
    let class = |(class, checks): &(&'static str, &'static [Check])| {
        let class = *class;
        checks.iter().map(move |check| Check { class, ..*check })
    };
    CLASSES.iter().flat_map(class).collect()
}
