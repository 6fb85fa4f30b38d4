//! What a hostile run in a pool could leave behind for the next one.

mod common;

use std::time::{Duration, Instant};

use cofferdam::{Cause, Command, Container, Pool, Seccomp, SeccompAction, Stdio, SyscallRule};
use common::calls::has_perl;
use common::limits::probe_first;
use common::processes::{eventually, init_of, process, processes_with, unique_sleep};
use common::text;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

fn perl(script: &str) -> Command {
    Command::new("perl").args(["-e", script])
}

fn pool(container: &Container) -> Pool {
    probe_first();
    Pool::new(container, 1).unwrap_or_else(|error| panic!("no pool: {error}"))
}

#[track_caller]
fn stdout(pool: &Pool, command: &Command) -> String {
    let output = pool.output(command).unwrap_or_else(|error| panic!("cannot run: {error}"));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\nstdout: {out}\nstderr: {err}", output.status);
    out
}

/// What a run leaves, and how the next one would see it: a program of perl each.
const TRACES: [(&str, &str, &str); 3] = [
    (
        "signals that wait for init",
        "kill 40, 1 for 1..50; kill 'TERM', 1",
        "open F, '/proc/self/status'; (grep /SigQ/, <F>)[0] =~ m(\\s(\\d+)/); $1",
    ),
    (
        "the uses of a route",
        "use Socket qw(:all); socket S, AF_INET6, SOCK_DGRAM, 0; connect S, pack_sockaddr_in6(9, inet_pton AF_INET6, '::1')",
        "open F, '/proc/net/ipv6_route'; my $use = 0; $use = hex((split)[7]) > $use ? hex((split)[7]) : $use for <F>; $use",
    ),
    (
        "a report to a group of hosts that is sent later",
        "use Socket; socket S, AF_INET, SOCK_DGRAM, 0; setsockopt S, 0, 35, pack 'C8', 224, 1, 1, 1, 127, 0, 0, 1 or die; print readlink '/proc/self/ns/net'",
        "readlink '/proc/self/ns/net'",
    ),
];

#[test]
fn nothing_of_a_run_is_seen_by_the_next() {
    if !has_perl() {
        return;
    }
    let container = Container::new();
    for (name, leave, look) in TRACES {
        let look = perl(&format!("print eval {{ {look} }}"));
        let fresh = stdout(&pool(&container), &look);
        let pool = pool(&container);
        for _ in 0..5 {
            let left = pool.output(&perl(leave)).expect("a run");
            let after = stdout(&pool, &look);
            match name.contains("later") {
                true => assert_ne!(after, text(&left.stdout), "{name}: {}", text(&left.stderr)),
                false => assert_eq!(after, fresh, "{name}: {}", text(&left.stderr)),
            }
        }
    }
}

#[test]
fn the_time_that_init_has_used_cannot_be_read() {
    if !has_perl() || cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let pool = pool(&Container::new());
    let clock = |clock: i64| {
        let script = format!("my $t = 'x' x 16; print syscall(228, {clock}, $t) < 0 ? $! + 0 : 'time'");
        stdout(&pool, &perl(&script))
    };
    assert_eq!([-16, -15, -14].map(clock), ["22", "22", "22"]);
    assert_eq!([0, 1, 2, 3].map(clock), ["time", "time", "time", "time"]);
}

/// A listener does not hear of a call that is logged.
#[test]
fn what_is_only_logged_leaves_nothing_either() {
    if !has_perl() {
        return;
    }
    let policy = Seccomp::default().rule(SyscallRule::new(["shmget", "socket"], SeccompAction::Log));
    let pool = pool(&Container::new().seccomp(policy));
    let made = stdout(&pool, &perl("print defined shmget(42, 100, 01600) ? 'made' : $!"));
    let found = stdout(&pool, &perl("print defined shmget(42, 0, 0) ? 'found' : 'none'"));
    assert_eq!([made.as_str(), &found], ["made", "none"]);
}

/// Init is gone before a run has ended, or between that and the copies of its files. The handle is still there.
#[test]
fn a_container_that_is_lost_is_replaced_though_its_handle_is_kept() {
    let pool = pool(&Container::new());
    for waits_for_the_end in [false, true] {
        let command = sh("read x").stdin(Stdio::piped()).collect("/tmp/x", 10);
        let mut child = pool.spawn(&command).expect("a run");
        let (init, workload) = (init_of(&child), child.id());
        if waits_for_the_end {
            drop(child.stdin.take());
            eventually("the end of the workload", || process(workload).is_none());
        }
        kill(Pid::from_raw(init as i32), Signal::SIGKILL).expect("a kill");

        child.wait().expect_err("no report, or no files");

        assert_eq!(stdout(&pool, &sh("echo next")), "next");
    }
}

/// The container has ended with its workload, whether or not somebody has asked for the report.
#[test]
fn a_command_comes_too_late_for_a_run_that_has_ended() {
    let pool = pool(&Container::new());
    let sleep = unique_sleep();
    for _ in 0..20 {
        let mut child = pool.spawn(&sh("read x").stdin(Stdio::piped())).expect("a run");
        let workload = child.id();
        drop(child.stdin.take());
        eventually("the end of the workload", || process(workload).is_none());
        let late = child.exec(&Command::new("sleep").arg(&sleep).stdin(Stdio::null()));
        child.wait().expect("a report");
        let next = stdout(&pool, &sh("echo $$; echo /proc/[0-9]*"));
        assert_eq!(next, "2\n/proc/1 /proc/2");
        assert_eq!(processes_with(&sleep), 0);
        assert_eq!(late.expect_err("the end").raw_os_error(), Some(libc::ESRCH));
    }
}

/// A process that is stopped on its way to its program must not keep init from its duties.
#[test]
fn a_workload_that_stops_further_commands_does_not_outlive_its_limit() {
    if !has_perl() {
        return;
    }
    let container = Container::new().wall_time_limit(Duration::from_secs(1)).command("perl");
    probe_first();
    let stopping = container.args(["-e", "while (1) { kill 'STOP', $_ for 3..200 }"]).stdin(Stdio::null());
    let mut child = stopping.spawn().expect("a container");
    let init = init_of(&child);

    let command = Command::new("true").stdin(Stdio::null());
    std::thread::scope(|scope| {
        let commands = scope.spawn(|| while child.exec(&command).map(std::mem::forget).is_ok() {});
        let start = Instant::now();
        while !commands.is_finished() && start.elapsed() < Duration::from_secs(30) {
            std::thread::yield_now();
        }
        if !commands.is_finished() {
            kill(Pid::from_raw(init as i32), Signal::SIGKILL).expect("a kill");
        }
    });

    assert_eq!(child.wait().expect("a report").cause(), Cause::WallTime);
}

/// A link on the way to a file may lead to one of /proc, whose size is not known before.
#[test]
fn no_more_of_a_file_is_copied_out_than_was_asked_for() {
    let pool = pool(&Container::new());
    let command = sh("ln -s /proc /tmp/out").collect("/tmp/out/meminfo", 10);
    let output = pool.output(&command).expect("a run");
    let error = output.files[0].read().expect_err("a larger file");
    assert_eq!(error.raw_os_error(), Some(libc::EFBIG), "{error}");
}
