//! The containment suite: what a hostile program tries, and what must come of it.
//!
//! Each check is an act, tried in a container, and its control: the same act where it must succeed, outside or
//! in a container that is loosened for it. A check whose control does not succeed fails, so that none passes
//! because it cannot fail. This program is its own prober: bound into the container it makes the act by raw
//! system calls, and says what became of it.
//!
//! Every check is made under every profile, as the user who runs the tests; run it as root and as an ordinary
//! user. `docs/threat-model.md` names the classes.

mod advisories;
mod check;
mod descriptors;
mod devices;
mod environment;
mod files;
mod init;
mod ipc;
mod keyrings;
mod namespaces;
mod neighbours;
mod privileges;
mod prober;
mod proc;
mod processes;
mod profiles;
mod runner;
mod scenes;
mod sockets;
mod stay;
mod sys;
mod table;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let as_another = prober::main(&arguments).or_else(|| stay::main(&arguments));
    as_another.unwrap_or_else(|| runner::main(&arguments))
}
