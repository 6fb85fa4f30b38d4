//! The limit of CPU time holds for all processes of a container together, whatever the host program does, and
//! the time that is reported is the time that was used.

mod common;

use std::time::Duration;

use cofferdam::{Cause, Container, ErrorKind, Feature, Limit, Report, Stdio};
use common::helper::is_helper;
use common::limits::{
    BUSY, PERL, Stopped, can_account, enforcement, host_a_container, perl, probe_first, without_groups, works,
};
use common::processes::{DEADLINE, eventually, is_alive, processes_with, unique_sleep};
use common::{needs_program, output, sh};

const LIMIT: Duration = Duration::from_millis(400);

/// Whether the limit can be held here; and perl, which measures, is there.
#[track_caller]
fn can_limit() -> bool {
    works(Feature::Limit(Limit::CpuTime), Container::new().cpu_time_limit(LIMIT)) && needs_program(PERL)
}

/// With the limit; and with one of wall time, for what the first one does not end.
fn limited(container: Container) -> Container {
    container.cpu_time_limit(LIMIT).wall_time_limit(DEADLINE)
}

#[track_caller]
fn assert_ended_at_the_limit(report: &Report) {
    assert_eq!((report.cause(), report.signal()), (Cause::CpuTime, Some(libc::SIGKILL)), "{report:?}");
    assert_eq!(report.reached(), [Limit::CpuTime], "{report:?}");
    // Twice as much: a machine under load lets init look late.
    assert!((LIMIT..LIMIT * 2).contains(&report.cpu_time()), "{report:?}");
}

#[test]
fn a_busy_process_is_ended_and_one_within_the_limit_succeeds() {
    if !can_limit() {
        return;
    }

    let beyond = output(&limited(sh(BUSY))).report;
    let within = output(&perl("burn(0.5)").cpu_time_limit(Duration::from_secs(60))).report;

    assert_ended_at_the_limit(&beyond);
    assert_eq!((within.cause(), within.code()), (Cause::Exited, Some(0)), "{within:?}");
    assert!(within.cpu_time() >= Duration::from_millis(500) && within.reached().is_empty(), "{within:?}");
    let by = enforcement(&beyond, Limit::CpuTime);
    assert!(by.strict && by.mechanism.starts_with("init by cpu"), "{by:?}");
    assert_eq!(output(&perl("burn(0.5)")).report.cause(), Cause::Exited, "the control: without limit");
}

#[test]
fn four_busy_children_are_ended_together() {
    if !can_limit() {
        return;
    }
    let marker = unique_sleep();
    let script = format!("for i in 1 2 3 4; do ({BUSY}) & done; wait");

    let report = output(&limited(sh(&script).arg(&marker))).report;

    assert_ended_at_the_limit(&report);
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn what_no_process_used_alone_counts() {
    if !can_limit() {
        return;
    }
    let four = |each: &str| {
        perl(&format!("for (1 .. 4) {{ fork or do {{ burn({each}); sleep; }} }} wait; wait; wait; wait"))
    };

    // Each sleeps for ever when it has used less than the limit.
    assert_ended_at_the_limit(&output(&limited(four("0.2"))).report);

    let within = four("0.2").cpu_time_limit(Duration::from_secs(60)).wall_time_limit(LIMIT * 5);
    let within = output(&within).report;
    assert_eq!(within.cause(), Cause::WallTime, "the control: {within:?}");
}

#[test]
fn a_parent_cannot_hide_its_childrens_time() {
    if !can_limit() {
        return;
    }
    // The kernel adds the time of children that nobody waits for to nobody's.
    let hide = |children: &str, each: &str| {
        let child = format!("fork or do {{ burn({each}); exit }}; wait");
        perl(&format!("$SIG{{CHLD}} = 'IGNORE'; for (1 .. {children}) {{ {child} }}"))
    };

    let beyond = output(&limited(hide("600", "0.1"))).report;
    let shown = output(&hide("5", "0.2").cpu_time_limit(Duration::from_secs(60))).report;
    let hidden = output(&hide("5", "0.2")).report;

    assert_ended_at_the_limit(&beyond);
    assert_eq!(shown.cause(), Cause::Exited, "{shown:?}");
    assert!(shown.cpu_time() >= Duration::from_secs(1), "{shown:?}");
    assert!(hidden.cpu_time() < Duration::from_millis(500), "the control, without a cgroup: {hidden:?}");
}

#[test]
fn time_that_is_slept_does_not_count() {
    if !can_limit() {
        return;
    }
    let sleeper = sh("sleep 1.5").cpu_time_limit(Duration::from_secs(1));

    let report = output(&sleeper).report;

    assert_eq!((report.cause(), report.code()), (Cause::Exited, Some(0)), "{report:?}");
    assert!(report.wall_time() > Duration::from_secs(1), "the control: {report:?}");
}

#[test]
fn the_limit_holds_when_nobody_waits() {
    if !can_limit() {
        return;
    }
    let mut child = limited(sh(BUSY)).stdin(Stdio::null()).spawn().expect("a container");
    let workload = child.id();
    assert!(is_alive(workload));

    eventually("the workload is ended", || !is_alive(workload));

    assert_ended_at_the_limit(&child.wait().expect("a report"));
}

#[test]
fn helper_with_a_busy_program() {
    if is_helper("helper_with_a_busy_program") {
        host_a_container(&sh(&format!("read line; {BUSY}")).cpu_time_limit(LIMIT));
    }
}

#[test]
fn the_limit_holds_when_the_host_program_is_stopped() {
    if !can_limit() {
        return;
    }

    let host = Stopped::start("helper_with_a_busy_program");

    assert_eq!(host.cause_of_the_end(), "cpu_time");
}

/// What a perl script says of its own time, and what the report says.
fn own_and_reported(container: &Container) -> (f64, f64) {
    let output = output(container);
    let own = common::text(&output.stdout).parse().expect("seconds");
    (own, output.report.cpu_time().as_secs_f64())
}

/// Whether to ask for accounting, both ways where a cgroup is to be had.
#[track_caller]
fn without_and_with_accounting() -> Vec<bool> {
    if can_account() { vec![false, true] } else { vec![false] }
}

/// Both agree, but for what starting and ending perl costs, which counts a little differently.
#[track_caller]
fn assert_agree(script: &str, accounting: bool, least: f64, ticks: f64) {
    let start_and_end = output(&perl("").accounting(accounting)).report.cpu_time().as_secs_f64();

    let (own, reported) = own_and_reported(&perl(script).accounting(accounting));

    let tolerance = own / 20.0 + ticks + start_and_end;
    assert!(own >= least && (own - reported).abs() < tolerance, "{own} {reported} {tolerance}, {accounting}");
}

#[test]
fn the_reported_time_is_what_the_programs_own_clock_says() {
    if !needs_program(PERL) {
        return;
    }
    for accounting in without_and_with_accounting() {
        assert_agree("burn(0.5); printf('%.9f', cpu())", accounting, 0.5, 0.0);
    }
}

#[test]
fn the_reported_time_is_what_times_says_of_children_too() {
    if !needs_program(PERL) {
        return;
    }
    for accounting in without_and_with_accounting() {
        // Four times in ticks of 10 ms.
        let two =
            "fork or do { burn(0.5); exit }; wait; burn(0.5); $sum = 0; $sum += $_ for times; print $sum";
        assert_agree(two, accounting, 0.9, 0.04);
    }
}

#[test]
fn user_and_system_time_add_up() {
    for accounting in without_and_with_accounting() {
        // The kernel portions the time out by ticks: long enough for both to have some.
        let report = output(&sh("head -c 500000000 /dev/zero | cksum").accounting(accounting)).report;

        assert_eq!(report.cpu_time(), report.user_time() + report.system_time(), "{report:?}");
        assert!(!report.user_time().is_zero() && !report.system_time().is_zero(), "{report:?}");
    }
}

#[test]
fn set_up_is_not_counted() {
    if !needs_program(PERL) {
        return;
    }
    // The program is looked for in so many directories, one system call each, before it starts. That is set-up
    // of the process that becomes the program, and its own clock tells all of it.
    let long = format!("{}/usr/bin", "x:".repeat(20_000));
    for accounting in without_and_with_accounting() {
        let program = perl("printf('%.9f', cpu())").command("perl").env("PATH", &long);

        let (own, reported) = own_and_reported(&program.accounting(accounting));

        assert!(reported < own / 2.0, "{own} {reported}, {accounting}");
    }
}

#[test]
fn without_a_cgroup_the_limit_is_an_error_unless_a_weaker_one_is_accepted() {
    probe_first();
    let container = limited(without_groups(sh(BUSY)));

    let error = container.spawn().expect_err("nothing counts the time of all processes");

    assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "cgroup"), "{error}");
    let report = output(&container.best_effort([Limit::CpuTime])).report;
    assert_ended_at_the_limit(&report);
    let by = enforcement(&report, Limit::CpuTime);
    assert_eq!((by.strict, by.mechanism), (false, "init and RLIMIT_CPU"));
}

#[test]
fn the_weaker_limit_counts_children_that_were_waited_for_when_the_workload_has_ended() {
    probe_first();
    if !needs_program(PERL) {
        return;
    }
    let children = perl("for (1 .. 8) { fork or do { burn(0.1); exit }; wait }");
    let container = limited(without_groups(children)).best_effort([Limit::CpuTime]);

    let report = output(&container).report;

    assert_eq!((report.cause(), report.code()), (Cause::CpuTime, Some(0)), "{report:?}");
    assert_eq!(report.reached(), [Limit::CpuTime]);
    assert!(report.cpu_time() >= LIMIT, "{report:?}");
}

#[test]
fn the_weaker_limit_holds_for_each_process() {
    probe_first();
    if !needs_program(PERL) {
        return;
    }
    // The child is in nobody's sum before it ends; the kernel ends it after a second.
    let child = perl("fork or do { burn(60); exit }; wait");

    let report = output(&limited(without_groups(child)).best_effort([Limit::CpuTime])).report;

    assert_eq!((report.cause(), report.reached()), (Cause::CpuTime, &[Limit::CpuTime][..]), "{report:?}");
    assert!((LIMIT..DEADLINE / 2).contains(&report.cpu_time()), "{report:?}");
}
