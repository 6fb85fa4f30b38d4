//! Limits hold, or are an error; the report names what enforced them and what they ended.

mod common;

use std::fs;
use std::time::Duration;

use cofferdam::{Cause, Container, Feature, Limit, Stdio};
use common::helper::{is_helper, run_helper};
use common::limits::works;
use common::processes::{DEADLINE, eventually, is_alive, next_line, own_cgroups};
use common::{output, sh, stdout, text};

/// Fills this many megabytes of memory at once.
fn dd(megabytes: u32) -> Container {
    let container = Container::new().command("/bin/dd").arg(format!("bs={megabytes}M"));
    container.args(["if=/dev/zero", "of=/dev/null", "count=1"])
}

#[test]
fn memory_up_to_the_limit_can_be_used_and_no_more() {
    const LIMIT: u64 = 64 << 20;
    if !works(Feature::Limit(Limit::Memory), Container::new().memory_limit(LIMIT)) {
        return;
    }

    let within = output(&dd(32).memory_limit(LIMIT)).report;
    let beyond = output(&dd(128).memory_limit(LIMIT)).report;

    assert_eq!((within.cause(), within.code()), (Cause::Exited, Some(0)));
    assert_eq!((beyond.cause(), beyond.signal()), (Cause::Memory, Some(libc::SIGKILL)));
    assert!((32 << 20..=LIMIT).contains(&within.memory_peak()), "{within:?}");
    assert!((LIMIT - (4 << 20)..=LIMIT).contains(&beyond.memory_peak()), "{beyond:?}");
    assert_ne!(within.usage().memory_peak.expect("a figure").source, "ru_maxrss");
    let mechanisms: Vec<_> = within.enforced_by().iter().map(|by| (by.limit, by.mechanism)).collect();
    assert!(
        matches!(mechanisms[..], [(Limit::Memory, "memory.max" | "memory.limit_in_bytes")]),
        "{mechanisms:?}"
    );
    assert_eq!(output(&dd(128)).report.cause(), Cause::Exited, "the control: without limit");
}

#[test]
fn files_in_memory_count_against_the_limit() {
    if !works(Feature::Limit(Limit::Memory), Container::new().memory_limit(64 << 20)) {
        return;
    }
    let fill = |megabytes: u32| {
        let container = Container::new().command("/bin/dd").args(["if=/dev/zero", "of=/tmp/file", "bs=1M"]);
        container.arg(format!("count={megabytes}")).memory_limit(64 << 20)
    };

    assert_eq!(output(&fill(16)).report.cause(), Cause::Exited);
    assert_eq!(output(&fill(128)).report.cause(), Cause::Memory);
}

#[test]
fn memory_of_all_processes_counts_together() {
    if !works(Feature::Limit(Limit::Memory), Container::new().memory_limit(64 << 20)) {
        return;
    }
    // Two of 40 MB each, alive at the same time: `dd` holds its buffer until it can write.
    let dd = "{ dd if=/dev/zero bs=40M count=1 2> /dev/null; echo ended >&2; } | sleep 86400";
    let container = sh(&format!("{dd} & {dd} & wait")).memory_limit(64 << 20).stdin(Stdio::null());
    let mut child = container.stderr(Stdio::piped()).spawn().expect("a container");
    let group = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).expect("the workload's groups");
    assert!(group.contains("cofferdam-"), "{group}");

    // The kernel kills one of the two; the shell lives on and waits for the other.
    assert_eq!(next_line(child.stderr.as_mut().expect("a pipe")), "ended");
    assert_eq!(child.try_wait().expect("init"), None);
    child.kill().expect("init");

    let report = child.wait().expect("a report");
    assert!((60 << 20..=64 << 20).contains(&report.memory_peak()), "{report:?}");
}

#[test]
fn processes_up_to_the_limit_can_be_made_and_no_more() {
    let container =
        |limit| sh("for i in 1 2 3 4 5 6 7 8; do sleep 86400 & done; echo made").pids_limit(limit);
    if !works(Feature::Limit(Limit::Pids), container(9)) {
        return;
    }

    assert_eq!(stdout(&container(9)), "made", "the shell and eight more");
    let beyond = output(&container(8));
    assert!(!beyond.status.success() && beyond.stdout.is_empty());
    assert!(text(&beyond.stderr).contains("fork"), "{}", text(&beyond.stderr));
    assert_eq!(beyond.report.enforced_by()[0].limit, Limit::Pids);
    let mechanism = beyond.report.enforced_by()[0].mechanism;
    assert!(["pids.max", "RLIMIT_NPROC"].contains(&mechanism), "{mechanism}");
}

#[test]
fn cpu_time_is_portioned_out() {
    let busy = || sh("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done");
    if !works(Feature::Limit(Limit::Cpus), Container::new().cpus(0.1)) {
        return;
    }

    let report = output(&busy().cpus(0.1)).report;

    // A tenth of the time, in portions of 10 of 100 milliseconds; the first comes at once.
    let portions = report.cpu_time().as_secs_f64() / 0.01;
    assert!(portions > 3.0, "{report:?}");
    assert!(report.wall_time().as_secs_f64() > 0.1 * (portions - 3.0), "{report:?}");
    assert_eq!(report.enforced_by()[0].limit, Limit::Cpus);
    assert_eq!(report.cause(), Cause::Exited, "slowed, not ended");
}

#[test]
fn a_workload_ends_at_the_limit_of_wall_time_and_not_before() {
    let limit = Duration::from_millis(150);
    let container = Container::new().wall_time_limit(limit).stdin(Stdio::null());

    let beyond = container.clone().command("/bin/sleep").arg("86400").spawn().expect("a container").wait();
    let within = container.clone().command("/bin/true").spawn().expect("a container").wait();

    let (beyond, within) = (beyond.expect("a report"), within.expect("a report"));
    assert_eq!((beyond.cause(), beyond.signal()), (Cause::WallTime, Some(libc::SIGKILL)));
    assert!((limit..limit + DEADLINE).contains(&beyond.wall_time()), "{beyond:?}");
    assert_eq!((within.cause(), within.code()), (Cause::Exited, Some(0)));
    let by = &within.enforced_by()[0];
    assert_eq!((by.limit, by.mechanism), (Limit::WallTime, "init"));
}

#[test]
fn the_limit_of_wall_time_ends_everything_however_deaf() {
    let script = "trap '' TERM INT HUP; (trap '' TERM; setsid sleep 86400) & kill -STOP $$";

    let output = output(&sh(script).wall_time_limit(Duration::from_millis(100)));

    // It returned, so nobody holds the pipes any more.
    assert_eq!(output.report.cause(), Cause::WallTime);
}

#[test]
fn the_limit_of_wall_time_holds_when_nobody_waits() {
    let container = Container::new().command("/bin/sleep").arg("86400").stdin(Stdio::null());
    let mut child = container.wall_time_limit(Duration::from_millis(50)).spawn().expect("a container");
    let workload = child.id();

    eventually("the workload is ended", || !is_alive(workload));

    assert_eq!(child.wait().expect("a report").cause(), Cause::WallTime);
}

#[test]
fn a_workload_that_ends_in_time_by_a_signal_did_not_reach_the_limit() {
    let report = output(&sh("kill -KILL $$").wall_time_limit(Duration::from_secs(60))).report;

    assert_eq!((report.cause(), report.signal()), (Cause::Signalled, Some(libc::SIGKILL)));
}

#[test]
fn without_limits_nothing_is_enforced() {
    assert!(output(&sh("true")).report.enforced_by().is_empty());
}

#[test]
fn several_limits_hold_at_once() {
    let container = Container::new().memory_limit(64 << 20).pids_limit(20).cpus(1.5);
    let container = container.wall_time_limit(Duration::from_secs(60));
    for feature in [Feature::Limit(Limit::Memory), Feature::Limit(Limit::Pids), Feature::Limit(Limit::Cpus)] {
        if !works(feature, container.clone()) {
            return;
        }
    }

    let output = output(&container.command("/bin/true"));

    let mut limits: Vec<_> = output.report.enforced_by().iter().map(|by| by.limit).collect();
    limits.sort();
    assert_eq!(limits, [Limit::Memory, Limit::Pids, Limit::Cpus, Limit::WallTime]);
}

#[test]
fn helper_with_cgroups() {
    if !is_helper("helper_with_cgroups") {
        return;
    }
    let limited = || Container::new().memory_limit(64 << 20).pids_limit(20).cpus(1.0).stdin(Stdio::null());
    let sleeper = || limited().command("/bin/sleep").arg("86400");

    assert!(limited().command("/bin/true").status().expect("a container").success());
    assert!(own_cgroups().is_empty(), "after the end: {:?}", own_cgroups());
    let mut child = sleeper().spawn().expect("a container");
    assert!(!own_cgroups().is_empty(), "the control: while it runs they are there");
    child.kill().expect("init");
    child.wait().expect("a report");
    assert!(own_cgroups().is_empty(), "after the wait, with the handle still there: {:?}", own_cgroups());
    drop(sleeper().spawn().expect("a container"));
    assert!(own_cgroups().is_empty(), "after the drop: {:?}", own_cgroups());
    assert!(limited().command("/no/such/program").spawn().is_err());
    assert!(own_cgroups().is_empty(), "after an error: {:?}", own_cgroups());
    limited().command("/bin/true").explain().expect("a plan");
    assert!(own_cgroups().is_empty(), "after explain(): {:?}", own_cgroups());
}

#[test]
fn no_cgroup_is_left() {
    let limited = Container::new().memory_limit(64 << 20).pids_limit(20).cpus(1.0);
    for feature in [Feature::Limit(Limit::Memory), Feature::Limit(Limit::Pids), Feature::Limit(Limit::Cpus)] {
        if !works(feature, limited.clone()) {
            return;
        }
    }

    run_helper("helper_with_cgroups");
}
