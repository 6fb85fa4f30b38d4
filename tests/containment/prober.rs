//! The prober: this program, run to make one act and to say what became of it.

use std::io::Write;
use std::process::{Command, ExitCode, Stdio as HostStdio};

use cofferdam::{Container, Output, Stdio};

use crate::check::{Act, Answer, Check, Control, Place, Scene};
use crate::{namespaces, profiles, table};

/// Where the prober is inside.
pub const PROGRAM: &str = "/prober";
/// The first argument of the prober, and what its answer begins with.
const PROBE: &str = "probe";
const ANSWER: &str = "answer: ";
/// Before the act, the prober becomes root of namespaces of its own.
const OWN_NAMESPACES: &str = "own-namespaces";

/// Acts as the prober, if the arguments say so.
pub fn main(arguments: &[String]) -> Option<ExitCode> {
    let [first, name, place, rest @ ..] = arguments else { return None };
    if first != PROBE {
        return None;
    }
    let answer = match table::checks().iter().find(|check| check.full_name() == *name).map(|check| check.act)
    {
        Some(Act::Probe(act)) => match enter(place) {
            Ok(()) => act(rest),
            Err(answer) => answer,
        },
        _ => Answer::Broken(format!("no probe {name}")),
    };
    // Past the buffers of std, of which a child of this process may have a copy.
    let line = format!("{ANSWER}{}\n", answer.write());
    let written = std::io::stdout().write_all(line.as_bytes());
    Some(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn enter(place: &str) -> Result<(), Answer> {
    if place != OWN_NAMESPACES {
        return Ok(());
    }
    namespaces::become_root_of_own().map_err(|errno| match errno {
        libc::EPERM | libc::ENOSPC => Answer::Lacks("user namespaces for this user".into()),
        errno => Answer::Refused(errno),
    })
}

/// Tries a check's act in a container of this profile.
pub fn inside(check: &Check, profile: fn(Container) -> Container) -> Answer {
    let place = Place::Inside(profile);
    match check.act {
        Act::Orchestrated(act) => act(&place),
        Act::Probe(_) => in_container(check, &place, profile, |container| container),
    }
}

/// Tries a check's act where it must succeed; `None` where this user has no such place.
pub fn control(check: &Check) -> Option<Answer> {
    if let Act::Orchestrated(act) = check.act {
        return match check.own_control() {
            Control::None(_) => None,
            _ => Some(act(&Place::Control)),
        };
    }
    let filter = profiles::unfiltered;
    let answer = match check.own_control() {
        Control::Outside => outside(check, "outside"),
        Control::OwnNamespaces => outside(check, OWN_NAMESPACES),
        Control::Loosened(change) | Control::Tightened(change) => {
            in_container(check, &Place::Control, filter, change)
        }
        Control::None(_) => return None,
    };
    Some(answer)
}

fn in_container(
    check: &Check,
    place: &Place,
    profile: fn(Container) -> Container,
    change: fn(Container) -> Container,
) -> Answer {
    let scene = match (check.scene)(place) {
        Ok(scene) => scene,
        Err(lack) => return Answer::Lacks(lack),
    };
    let container = deliver(Container::new(), check.without_binds);
    let container = container.command(PROGRAM).args(prober_arguments(check, "inside", &scene));
    let container = (check.with)(profile(container));
    let container = scene.containers.iter().fold(container, |container, change| change(container));
    let container = match &scene.stdin {
        Some(stdin) => container.stdin(stdin.try_clone().expect("a duplicate")),
        None => container,
    };
    let answer = match change(container).output() {
        Ok(output) => of_output(&output),
        Err(error) => Answer::Broken(format!("no container: {error}")),
    };
    by_effect(answer, &scene)
}

/// The prober, bound into the container, or as a file of the container's own.
pub fn deliver(container: Container, without_binds: bool) -> Container {
    let program = std::env::current_exe().expect("this program");
    if without_binds {
        container.file_with_mode(PROGRAM, std::fs::read(program).expect("this program"), 0o755)
    } else {
        container.bind_read_only(program, PROGRAM)
    }
}

/// The prober's arguments, the first one without the program itself.
fn prober_arguments(check: &Check, place: &str, scene: &Scene) -> Vec<String> {
    let own = [PROBE.to_owned(), check.full_name(), place.to_owned()];
    own.into_iter().chain(scene.arguments.iter().cloned()).collect()
}

fn of_output(output: &Output) -> Answer {
    let said = String::from_utf8_lossy(&output.stdout);
    match (said.lines().find_map(|line| Answer::read(line.strip_prefix(ANSWER)?)), output.report.signal()) {
        (Some(answer), _) => answer,
        (None, Some(signal)) => Answer::Killed(signal),
        (None, None) => {
            let error = String::from_utf8_lossy(&output.stderr);
            Answer::Broken(format!("no answer, {}: {}", output.status, error.trim_end()))
        }
    }
}

fn outside(check: &Check, place: &str) -> Answer {
    let scene = match (check.scene)(&Place::Control) {
        Ok(scene) => scene,
        Err(lack) => return Answer::Lacks(lack),
    };
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(prober_arguments(check, place, &scene));
    command.stdin(match &scene.stdin {
        Some(stdin) => stdin.try_clone().expect("a duplicate").into(),
        None => HostStdio::null(),
    });
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return Answer::Broken(format!("no control: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let answer = said.lines().find_map(|line| Answer::read(line.strip_prefix(ANSWER)?));
    let answer = answer.unwrap_or_else(|| {
        use std::os::unix::process::ExitStatusExt;
        output
            .status
            .signal()
            .map_or_else(|| Answer::Broken(format!("no answer outside, {}", output.status)), Answer::Killed)
    });
    by_effect(answer, &scene)
}

/// An act that has succeeded has its effect on the host, or none.
fn by_effect(answer: Answer, scene: &Scene) -> Answer {
    match (&answer, &scene.effect) {
        (Answer::Done, Some(has_happened)) => Answer::seen(has_happened()),
        _ => answer,
    }
}

/// A container whose workload is the prober, in the part of somebody else: see [`crate::stay`].
pub fn staying(container: Container, part: &str, arguments: &[String]) -> Container {
    let container = deliver(container, false).command(PROGRAM).args([crate::stay::STAY, part]);
    container.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped())
}
