//! The first process inside: the workload is an ordinary process beside it, and nothing outlives the
//! workload.

mod common;

use std::fs;
use std::time::Instant;

use cofferdam::{Cause, Container, Stdio};
use common::processes::{DEADLINE, eventually, init_of, processes_with, start_until_ready, unique_sleep};
use common::{needs_root, output, sh, stdout, succeeds, text};

#[test]
fn the_workload_is_not_process_1() {
    let inside = stdout(&sh("echo $$; cat /proc/1/comm; echo /proc/[0-9]*"));

    assert_eq!(inside, "2\ncofferdam-init\n/proc/1 /proc/2");
}

#[test]
fn the_workload_dies_of_its_own_abort() {
    let report = output(&sh("kill -ABRT $$; echo survived")).report;

    assert_eq!((report.cause(), report.signal()), (Cause::Signalled, Some(libc::SIGABRT)));
    let through_a_shell = sh("sh -c 'kill -ABRT $$; echo survived' 2> /dev/null; echo $?");
    assert_eq!(stdout(&through_a_shell), "134");
}

#[test]
fn the_workload_dies_of_its_own_termination_signals() {
    // PID 1 would be deaf to all of them.
    for (name, number) in [
        ("TERM", libc::SIGTERM),
        ("INT", libc::SIGINT),
        ("HUP", libc::SIGHUP),
        ("KILL", libc::SIGKILL),
        ("SEGV", libc::SIGSEGV),
    ] {
        let output = output(&sh(&format!("kill -{name} $$; echo survived")));

        assert_eq!(
            (output.report.cause(), output.report.signal()),
            (Cause::Signalled, Some(number)),
            "{name}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_workload_cannot_hurt_init() {
    let script = "for s in KILL TERM STOP SEGV; do kill -$s 1; done; kill -KILL -1; echo alive";

    let inside = output(&sh(script).stderr(Stdio::null()));

    assert_eq!((text(&inside.stdout).as_str(), inside.report.cause()), ("alive", Cause::Exited));
}

#[test]
fn the_workload_cannot_look_into_init() {
    for file in ["environ", "mem", "maps", "root", "cwd", "exe"] {
        let script = format!("ls -l /proc/1/{file}/ || cat /proc/1/{file} || readlink /proc/1/{file}");

        let inside = output(&sh(&script));

        assert!(!inside.status.success() && inside.stdout.is_empty(), "{file}: {}", text(&inside.stdout));
    }
    // From the first moment on.
    for round in 0..20 {
        let list = Container::new().command("/bin/ls").arg("/proc/1/fd");
        assert!(!succeeds(&list), "round {round}: the workload sees which descriptors init has");
    }
    let own = sh("cat /proc/$$/maps > /dev/null && readlink /proc/$$/exe > /dev/null && echo fine");
    assert_eq!(stdout(&own), "fine", "the control: the workload's own files are open to it");
}

#[test]
fn init_holds_nothing_of_the_host_while_the_workload_runs() {
    if !needs_root("the descriptors of a process that is not dumpable") {
        return;
    }
    let child = Container::new().command("/bin/sleep").arg("86400").spawn().expect("a container");
    let init = init_of(&child);
    let targets = || {
        let fds = fs::read_dir(format!("/proc/{init}/fd")).expect("init's descriptors");
        let target = |fd: fs::DirEntry| fs::read_link(fd.path()).unwrap_or_default().display().to_string();
        let mut targets: Vec<String> = fds.flatten().map(target).collect();
        targets.sort();
        targets
    };

    // It closes the rest in the first moments of the workload.
    eventually("init has closed what it does not need", || {
        let targets = targets();
        targets.len() == 4 && targets.iter().all(|target| !target.starts_with('/'))
    });
    assert!(targets().iter().any(|target| target.starts_with("socket:")), "{:?}", targets());
}

#[test]
fn orphans_are_reaped() {
    let zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2> /dev/null";
    let orphans = format!(
        "i=0; while [ $i -lt 50 ]; do (true &); i=$((i+1)); done
         i=0; while [ \"$({zombies})\" ]; do i=$((i+1)); [ $i -lt 1000 ] || exit 1; done; echo none"
    );
    // A parent that does not wait for its child, and itself is no orphan.
    let zombie = format!(
        "sh -c 'true & exec sleep 86400' & i=0
         while [ -z \"$({zombies})\" ]; do i=$((i+1)); [ $i -lt 1000 ] || exit 1; done; echo some"
    );

    assert_eq!(stdout(&sh(&orphans)), "none");
    assert_eq!(stdout(&sh(&zombie)), "some", "the control: a zombie would be seen");
}

#[test]
fn an_orphan_becomes_a_child_of_init() {
    let script = "(sleep 86400 &); i=0
        while [ $i -lt 1000 ]; do
            for p in /proc/[0-9]*; do
                [ \"$(cat $p/comm)\" = sleep ] && grep PPid: $p/status && exit
            done
            i=$((i+1))
        done";

    assert_eq!(stdout(&sh(script)), "PPid:\t1");
}

#[test]
fn what_holds_the_pipe_open_dies_with_the_workload() {
    let marker = unique_sleep();
    let start = Instant::now();

    // Each of them holds standard output and error, whose end `output` waits for.
    let inside = output(&sh(&format!(
        "sleep {marker} & setsid sleep {marker} & (setsid sleep {marker} &) ; trap '' TERM; echo done"
    )));

    assert_eq!(text(&inside.stdout), "done");
    assert_eq!((inside.report.cause(), inside.status.code()), (Cause::Exited, Some(0)));
    assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn background_processes_die_with_the_workload() {
    let marker = unique_sleep();
    let script = format!(
        "sleep {marker} & setsid sleep {marker} & (setsid sleep {marker} &); (trap '' HUP TERM; sleep {marker}; :) &
         read line; exit 7"
    );
    let mut child = sh(&script).stdin(Stdio::piped()).spawn().expect("a container");
    eventually("all four sleep", || processes_with(&marker) == 4);
    assert_eq!(child.try_wait().expect("init"), None);

    drop(child.stdin.take());
    let report = child.wait().expect("a report");

    assert_eq!(processes_with(&marker), 0);
    assert_eq!((report.cause(), report.code()), (Cause::Exited, Some(7)));
}

#[test]
fn a_workload_that_is_killed_takes_everything_along() {
    let marker = unique_sleep();
    let mut child = start_until_ready(sh(&format!("setsid sleep {marker} & echo ready; wait; wait")));
    eventually("it sleeps", || processes_with(&marker) == 1);

    child.signal(libc::SIGKILL).expect("a workload");
    let report = child.wait().expect("a report");

    assert_eq!((report.cause(), report.signal()), (Cause::Signalled, Some(libc::SIGKILL)));
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn a_fork_bomb_that_has_burnt_out_ends_with_the_workload() {
    let marker = unique_sleep();
    // Each level starts two more and goes on: 127 processes, none of which waits for another.
    let script = format!(
        "bomb() {{ [ $1 -eq 0 ] || {{ bomb $(($1 - 1)) & bomb $(($1 - 1)) & }}; exec setsid sleep {marker}; }}
         bomb 6 & read line"
    );
    let mut child = sh(&script).stdin(Stdio::piped()).spawn().expect("a container");
    eventually("all sleep", || processes_with(&marker) >= 127);

    let report = child.wait().expect("a report");

    assert_eq!(report.cause(), Cause::Exited);
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn init_shows_nothing_of_the_host_in_its_arguments_and_environment() {
    let child = Container::new().command("/bin/sleep").arg("86400").spawn().expect("a container");
    let init = init_of(&child);

    assert_eq!(fs::read(format!("/proc/{init}/cmdline")).expect("arguments"), b"cofferdam-init\0");
    if needs_root("the environment of a process that is not dumpable") {
        assert_eq!(fs::read(format!("/proc/{init}/environ")).expect("environment"), b"");
    }
}
