//! Helpers of the integration tests.
//!
//! Every test runs as root and as an ordinary user, beside all others, and leaves nothing behind. What a
//! machine or a user cannot do is skipped with [`skip`], never silently.

#![allow(dead_code)]

pub mod calls;
pub mod cgroups;
pub mod helper;
pub mod limits;
pub mod processes;
#[cfg(feature = "tokio")]
pub mod tasks;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use cofferdam::{Child, Container, Output};
use tempfile::TempDir;

/// A container with the defaults that runs a shell script.
pub fn sh(script: &str) -> Container {
    Container::new().command("/bin/sh").args(["-c", script])
}

/// Runs to the end, whatever the exit status.
#[track_caller]
pub fn output(container: &Container) -> Output {
    container.output().unwrap_or_else(|error| panic!("cannot run the container: {error}"))
}

/// Runs to a successful end; what was written to standard output, without the last newline.
#[track_caller]
pub fn stdout(container: &Container) -> String {
    let output = output(container);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\nstdout: {out}\nstderr: {err}", output.status);
    out
}

/// Runs to the end; whether the program succeeded.
#[track_caller]
pub fn succeeds(container: &Container) -> bool {
    output(container).status.success()
}

/// What a shell script writes on the host: the control outside.
#[track_caller]
pub fn on_host(script: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", script]).output().expect("/bin/sh");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\nstdout: {out}\nstderr: {err}", output.status);
    out
}

/// Bytes as text, without the last newline.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says that the calling test does nothing here, and why. Under `CI` that is a failure: there, every
/// test must run. Reasons that no machine of that kind could do away with go to [`skip_for_good`].
#[track_caller]
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "skipped under CI: {reason}");
    skip_for_good(reason);
}

/// As [`skip`], where another user (who runs the same tests), or hardware, is what is missing.
pub fn skip_for_good(reason: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {reason}\n", thread.name().unwrap_or("test"));
    // Past the test harness, which hides what a passing test prints; at once, so that the line stays whole.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Whether the tests run as root; if not, says that the calling test does nothing.
pub fn needs_root(reason: &str) -> bool {
    if !is_root() {
        skip_for_good(&format!("needs root: {reason}"));
    }
    is_root()
}

/// Whether the host has a program; if not, says that the calling test does nothing. `COFFERDAM_LEFT_OUT` lists
/// programs, separated by colons, that a machine does without on purpose: even under `CI` they may be missing.
#[track_caller]
pub fn needs_program(path: &str) -> bool {
    let exists = Path::new(path).exists();
    if !exists {
        let left_out = std::env::var("COFFERDAM_LEFT_OUT").unwrap_or_default();
        let skip = if left_out.split(':').any(|one| one == path) { skip_for_good } else { skip };
        skip(&format!("needs {path}"));
    }
    exists
}

/// A temporary directory that a workload may enter: run by root, it has another user id.
pub fn temp_dir() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    set_mode(directory.path(), 0o755);
    directory
}

/// A root file system whose only file is a static busybox, or `None` if the host has none; then it says
/// that the calling test does nothing.
#[track_caller]
pub fn busybox_root() -> Option<TempDir> {
    if !needs_program(BUSYBOX) {
        return None;
    }
    let root = temp_dir();
    fs::create_dir(root.path().join("bin")).expect("a directory");
    copy_program(BUSYBOX, &root.path().join("bin/busybox"));
    Some(root)
}

/// Copies a program of the host. Another process does it: were the copy open for writing here, a process that
/// another test starts at that moment would have it open too, and until that one executes something else
/// nobody could execute the copy (ETXTBSY).
pub fn copy_program(program: &str, to: &Path) {
    let status = Command::new("/bin/cp").arg(program).arg(to).status().expect("/bin/cp");
    assert!(status.success(), "{status}");
}

/// A container that runs a shell script with [`busybox_root`]'s busybox.
pub fn busybox_sh(script: &str) -> Container {
    Container::new().command("/bin/busybox").args(["sh", "-c", &format!("{BUSYBOX_COMMANDS}{script}")])
}

/// Of the Debian package busybox-static.
const BUSYBOX: &str = "/bin/busybox";

/// There are no links to busybox by the names of its commands, and it may be built without preferring its
/// own.
const BUSYBOX_COMMANDS: &str = "for command in cat ls mkdir rm sort stat touch; do \
    alias $command=\"/bin/busybox $command\"; done
";

/// Paths below a directory, sorted: before and after, they show what was left in it.
pub fn tree(directory: &Path) -> Vec<String> {
    on_host(&format!("cd '{}' && find . | sort", directory.display())).lines().map(str::to_owned).collect()
}

/// A directory that everybody may write.
pub fn make_open_dir(path: &Path) {
    fs::create_dir(path).expect("a directory");
    set_mode(path, 0o777);
}

/// Sets the permission bits of a file of the host.
pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

/// The id of a namespace of this process, such as `net:[4026531840]`. Kinds as in `/proc/self/ns`.
pub fn namespace_of_host(kind: &str) -> String {
    read_link(format!("/proc/self/ns/{kind}"))
}

/// The id of a namespace of a container's workload.
pub fn namespace_of(child: &Child, kind: &str) -> String {
    read_link(format!("/proc/{}/ns/{kind}", child.id()))
}

fn read_link(path: String) -> String {
    let target = fs::read_link(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    target.to_string_lossy().into_owned()
}
