//! Makes the bare program: turns the steps of a run into source code and compiles `bare.rs` with it.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam::{Namespaces, Securebits};

use super::steps::{self, Step};

/// Compiles the bare program for a run of `program`, with the steps that `explained` lists, and this filter.
pub fn compile(
    explained: &str,
    program: &str,
    filter: &[u8],
    directory: &Path,
) -> Result<PathBuf, Box<dyn Error>> {
    let plan = directory.join("plan.rs");
    fs::write(&plan, source(explained, program, filter)?)?;
    let output = directory.join("bare");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args(["--crate-name", "bare", "--crate-type", "bin", "--edition", "2024"]);
    // The options with which the library's build script compiles the launcher.
    for option in ["opt-level=2", "panic=abort", "codegen-units=1", "force-unwind-tables=no"] {
        rustc.args(["-C", option]);
    }
    for option in ["relocation-model=static", "target-feature=+crt-static", "strip=symbols"] {
        rustc.args(["-C", option]);
    }
    for option in ["-nostartfiles", "-nostdlib", "-static", "-Wl,--build-id=none", "-Wl,-z,noexecstack"] {
        rustc.arg("-C").arg(format!("link-arg={option}"));
    }
    rustc.arg("-o").arg(&output).arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/support/bare.rs"));
    let status = rustc.env("PLAN", &plan).status()?;
    if status.success() { Ok(output) } else { Err("the bare program did not compile".into()) }
}

/// The source that `bare.rs` includes.
fn source(explained: &str, program: &str, filter: &[u8]) -> Result<String, Box<dyn Error>> {
    let names = steps::namespaces(explained);
    let kinds =
        names.iter().filter_map(|name| Namespaces::named(name)).fold(Namespaces::empty(), |a, b| a | b);
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let mut source = format!(
        "const NAMESPACES: usize = {};\n\
         const UID_MAP: &[u8] = b\"1000 {uid} 1\";\n\
         const GID_MAP: &[u8] = b\"1000 {gid} 1\";\n\
         const PROGRAM: &CStr = c\"{program}\";\n\
         const FILTER: &[u8] = &{filter:?};\n\
         fn set_up() {{\n",
        kinds.bits()
    );
    let mut made = BTreeSet::new();
    for (number, step) in steps::read(explained).iter().enumerate() {
        for call in calls(step, &mut made)? {
            writeln!(source, "    must({}, {call});", number + 1)?;
        }
    }
    Ok(source + "}\n")
}

/// The calls that carry out a step. `made` are the directories that exist in the new root.
fn calls(step: &Step, made: &mut BTreeSet<String>) -> Result<Vec<String>, Box<dyn Error>> {
    let detail = step.detail.as_str();
    let calls = match step.name.as_str() {
        "tmpfs" if step.bare_detail() == "/" => vec![format!("root({}, {})", attributes(step), tmpfs(step))],
        "tmpfs" => file_system(step.bare_detail(), "tmpfs", attributes(step), &tmpfs(step), made),
        "proc" => file_system(detail, "proc", PROC, "c\"\"", made),
        "mqueue" => file_system(detail, "mqueue", PROC, "c\"\"", made),
        "devpts" => {
            file_system(detail, "devpts", NO_SUID | NO_EXEC, "c\"newinstance,ptmxmode=0666,mode=0620\"", made)
        }
        "bind" => bind(step, made),
        "read-only" => read_only(detail),
        "mask" => mask(detail),
        "symlink" => symlink(step, made),
        "directory" => directories(step.bare_detail(), made),
        "file" => file(step, made)?,
        "private-mounts" => vec!["private_mounts()".into()],
        "seal-mount" => vec![format!("attribute(c\".\", {READ_ONLY}, 0)")],
        "pivot-root" => vec!["pivot_root()".into()],
        "hostname" => vec![format!("host_name(c\"{detail}\")")],
        "loopback" => vec!["loopback()".into()],
        "session" => vec!["numbers(nr::SETSID, 0, 0)".into()],
        "umask" => vec![format!("numbers(nr::UMASK, 0o{detail}, 0)")],
        "rlimit" if detail == "core 1 1" => vec!["resource_limit(4, 1, 1)".into()],
        "rlimit" if detail == "core 0 0" => vec!["resource_limit(4, 0, 0)".into()],
        "personality" if detail.starts_with("0 ") => vec!["numbers(nr::PERSONALITY, 0, 0)".into()],
        "bounding-set" => vec!["empty_bounding_set()".into()],
        "capabilities" => vec!["no_capabilities()".into()],
        "securebits" => {
            vec![format!("numbers(nr::PRCTL, abi::PR_SET_SECUREBITS as usize, {})", securebits(detail))]
        }
        "seccomp" => vec!["filter(FILTER)".into()],
        "no-new-privs" => vec!["numbers(nr::PRCTL, abi::PR_SET_NO_NEW_PRIVS as usize, 1)".into()],
        // Ids, streams and signals are as they should be when nothing of a host has to be shed; the
        // namespaces come with the first call, the directory with the root, the rest with `main`.
        "init-identity" | "identity" | "groups" | "descriptor" | "default-signals" | "unshare"
        | "working-directory" | "start-workload" | "exec" => Vec::new(),
        name => return Err(format!("the bare program has no counterpart of the step {name} {detail}").into()),
    };
    Ok(calls)
}

fn securebits(names: &str) -> u32 {
    let named = |name| Securebits::from_name(name).unwrap_or(Securebits::empty());
    names.split_whitespace().map(named).fold(Securebits::empty(), |a, b| a | b).bits()
}

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NO_SUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NO_DEV: u64 = libc::MOUNT_ATTR_NODEV;
const NO_EXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
const PROC: u64 = NO_SUID | NO_DEV | NO_EXEC;

/// The mount attributes of a step, whose numbers are also those of mount(2)'s flags.
fn attributes(step: &Step) -> u64 {
    let known = [("ro", READ_ONLY), ("nosuid", NO_SUID), ("nodev", NO_DEV), ("noexec", NO_EXEC)];
    let bit = |note| known.iter().find(|(name, _)| *name == note).map_or(0, |(_, bit)| *bit);
    step.notes().map(bit).fold(0, |all, bit| all | bit)
}

fn tmpfs(step: &Step) -> String {
    let note = |key| step.note(key).unwrap_or_default();
    format!("c\"mode={},size={},nr_inodes={}\"", note("mode "), note(" bytes"), note(" inodes"))
}

fn file_system(
    target: &str,
    kind: &str,
    flags: u64,
    options: &str,
    made: &mut BTreeSet<String>,
) -> Vec<String> {
    let mut calls = directories(target, made);
    calls.push(format!("mount(c\"{kind}\", c\"{}\", c\"{kind}\", {flags}, {options})", inside(target)));
    calls
}

fn bind(step: &Step, made: &mut BTreeSet<String>) -> Vec<String> {
    let (source, target) = step.halves(" at ");
    let mut calls = match steps::is_directory(source) {
        Some(true) => directories(target, made),
        _ => {
            let mut calls = parents(target, made);
            calls.push(format!("place(c\"{}\")", inside(target)));
            calls
        }
    };
    calls.push(format!("bind(c\"{source}\", c\"{}\", {})", inside(target), attributes(step)));
    calls
}

fn read_only(path: &str) -> Vec<String> {
    let place = inside(path);
    let bind = format!("bind(c\"{place}\", c\"{place}\", {})", READ_ONLY | PROC);
    steps::is_directory(path).map(|_| bind).into_iter().collect()
}

/// What the container's `/proc` has is what the host's has.
fn mask(path: &str) -> Vec<String> {
    let place = inside(path);
    let flags = PROC | READ_ONLY;
    let call = steps::is_directory(path).map(|directory| match directory {
        true => {
            format!(
                "mount(c\"tmpfs\", c\"{place}\", c\"tmpfs\", {flags}, c\"mode=755,size=4096,nr_inodes=1\")"
            )
        }
        false => format!("bind(c\"/dev/null\", c\"{place}\", {})", NO_SUID | NO_EXEC),
    });
    call.into_iter().collect()
}

fn symlink(step: &Step, made: &mut BTreeSet<String>) -> Vec<String> {
    let (path, target) = step.halves(" -> ");
    let mut calls = parents(path, made);
    calls.push(format!("symlink(c\"{target}\", c\"{}\")", inside(path)));
    calls
}

/// A file of the right size; what it says has no cost.
fn file(step: &Step, made: &mut BTreeSet<String>) -> Result<Vec<String>, Box<dyn Error>> {
    let path = step.bare_detail();
    let mode = step.note("mode ").unwrap_or_default();
    let size: usize = step.note(" bytes").unwrap_or_default().parse()?;
    let mut calls = parents(path, made);
    calls.push(format!("file(c\"{}\", 0o{mode}, &[b'-'; {size}])", inside(path)));
    Ok(calls)
}

/// Makes the directories above a path that do not exist yet.
fn parents(path: &str, made: &mut BTreeSet<String>) -> Vec<String> {
    path.rsplit_once('/').map(|(parent, _)| directories(parent, made)).unwrap_or_default()
}

/// Makes a directory, and those above it, where they do not exist yet.
fn directories(path: &str, made: &mut BTreeSet<String>) -> Vec<String> {
    let mut calls = Vec::new();
    let mut prefix = String::new();
    for name in inside(path).split('/').filter(|name| !name.is_empty()) {
        prefix = if prefix.is_empty() { name.into() } else { format!("{prefix}/{name}") };
        if made.insert(prefix.clone()) {
            calls.push(format!("directory(c\"{prefix}\", 0o755)"));
        }
    }
    calls
}

/// Relative to the new root, which is the current directory while it is filled.
fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}
