//! A peer program of the bench `latency`: runs a program in a container of hakoniwa. Each line that it reads is
//! a request, `cold` or `limits` and a count of runs; each that it writes the nanoseconds that they took.

use std::error::Error;
use std::time::Instant;
use std::{env, fs, io};

use hakoniwa::{Container, Namespace, Rlimit};

const PLACE: &str = "/workload";

fn main() -> Result<(), Box<dyn Error>> {
    let [program, _, steps] = arguments()?;
    let container = container(&program, &fs::read_to_string(steps)?);
    let limited = limited(&container);
    for request in io::stdin().lines() {
        let request = request?;
        let (kind, count) = request.split_once(' ').ok_or("a request without a count")?;
        let container = if kind == "limits" { &limited } else { &container };
        let start = Instant::now();
        for _ in 0..count.parse::<u32>()? {
            run(container)?;
        }
        println!("{}", start.elapsed().as_nanos());
    }
    Ok(())
}

/// The program, a filter of system calls, and the steps of the bench's own container.
fn arguments() -> Result<[String; 3], Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    arguments.try_into().map_err(|_| "there must be three arguments".into())
}

/// The namespaces and the files of those steps, as far as hakoniwa has them: its `/dev` is its own, and it masks
/// nothing of `/proc`.
fn container(program: &str, steps: &str) -> Container {
    let mut container = Container::new();
    for namespace in [Namespace::Cgroup, Namespace::Ipc, Namespace::Network, Namespace::Uts] {
        container.unshare(namespace);
    }
    container.uidmap(1000).gidmap(1000).hostname("bench");
    container.devfsmount("/dev").tmpfsmount("/dev/shm").tmpfsmount("/tmp").bindmount_ro(program, PLACE);
    container.dir("/run", 0o755).dir("/var", 0o755);
    for step in steps.lines() {
        add(&mut container, step);
    }
    container
}

/// A line is a number, the name of the step, and what it works on with notes in parentheses.
fn add(container: &mut Container, step: &str) {
    let line = step.trim_start().trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start();
    let (name, detail) = line.split_once(' ').unwrap_or((line, ""));
    let (detail, notes) = detail.trim_start().split_once(" (").unwrap_or((detail.trim_start(), ""));
    if detail.starts_with("/dev/") {
        return;
    }
    let size = || notes.split(' ').next().and_then(|size| size.parse().ok()).unwrap_or(0);
    match (name, detail.split_once(" at "), detail.split_once(" -> ")) {
        ("bind", Some((source, target)), _) => container.bindmount_ro(source, target),
        ("symlink", _, Some((path, target))) => container.symlink(target, path),
        ("file", ..) => container.file(detail, &"-".repeat(size())),
        _ => container,
    };
}

/// Its cgroups are systemd's, which is not everywhere; its other limits are those of setrlimit(2).
fn limited(container: &Container) -> Container {
    let mut container = container.clone();
    container.setrlimit(Rlimit::As, 64 << 20, 64 << 20).setrlimit(Rlimit::Nproc, 64, 64);
    container
}

fn run(container: &Container) -> Result<(), Box<dyn Error>> {
    let status = container.command(PLACE).spawn()?.wait()?;
    if status.success() { Ok(()) } else { Err(status.reason.into()) }
}
