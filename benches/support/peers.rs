//! Other tools that make a comparable container, where they are installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::steps::{self, Step};

/// bubblewrap with the same namespaces and the same view of the host; its `/dev` is its own, and it
/// masks nothing of `/proc`. The reason if it cannot be measured here.
pub fn bubblewrap(explained: &str, program: &str) -> Result<Command, String> {
    let path = installed("bwrap").ok_or("it is not installed")?;
    let mut command = Command::new(path);
    command.args(["--unshare-all", "--uid", "1000", "--gid", "1000", "--hostname", "bench"]);
    command.args(["--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"]);
    for step in steps::read(explained) {
        command.args(view(&step).into_iter().flatten());
    }
    command.args(["--proc", "/proc", "--dev", "/dev", "--mqueue", "/dev/mqueue", "--tmpfs", "/tmp"]);
    command.args(["--", program]);
    works(&mut command)?;
    Ok(command)
}

/// The options for a part of the view of the host.
fn view(step: &Step) -> Option<[String; 3]> {
    match step.name.as_str() {
        "bind" => {
            let (source, target) = step.halves(" at ");
            let wanted = !target.starts_with("/dev/");
            wanted.then(|| ["--ro-bind".into(), source.into(), target.into()])
        }
        "symlink" => {
            let (path, target) = step.halves(" -> ");
            let wanted = !path.starts_with("/dev/");
            wanted.then(|| ["--symlink".into(), target.into(), path.into()])
        }
        _ => None,
    }
}

/// Runs it once: a peer that fails here is left out, with what it said.
pub fn works(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.trim().replace('\n', "; ")) }
}

/// The file that a command of this name is.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| Path::is_file(file))
}
