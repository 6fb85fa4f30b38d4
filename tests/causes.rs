//! Why a workload ended: each cause, told from those that look like it, and the same for the same facts.

mod common;

use std::time::Duration;

use cofferdam::{Cause, Child, Container, Feature, Limit, Report, Stdio};
use common::limits::{
    BUSY, PERL, counts_refused_processes, enforcement, perl, probe_first, without_groups, works,
};
use common::processes::{DEADLINE, eventually, is_alive, start_until_ready};
use common::{needs_program, output, sh, text};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

const KILLED: Option<i32> = Some(libc::SIGKILL);
const MEMORY: u64 = 64 << 20;

#[track_caller]
fn report(container: &Container) -> Report {
    output(container).report
}

/// Cause, code and signal.
fn end(report: &Report) -> (Cause, Option<i32>, Option<i32>) {
    (report.cause(), report.code(), report.signal())
}

#[test]
fn a_program_that_ends_by_itself_exited_or_had_a_signal() {
    probe_first();
    for (script, expected) in [
        ("exit 0", (Cause::Exited, Some(0), None)),
        ("exit 137", (Cause::Exited, Some(137), None)),
        ("kill -TERM $$", (Cause::Signalled, None, Some(libc::SIGTERM))),
        ("kill -XCPU $$", (Cause::Signalled, None, Some(libc::SIGXCPU))),
        ("kill -XFSZ $$", (Cause::Signalled, None, Some(libc::SIGXFSZ))),
        ("kill -KILL $$", (Cause::Signalled, None, KILLED)),
    ] {
        let report = report(&sh(script));

        assert_eq!(end(&report), expected, "{script}");
        assert!(report.reached().is_empty(), "{report:?}");
    }
}

/// A shell script that has 128 MB of memory for `dd`, in a child.
const MUCH_MEMORY: &str = "dd if=/dev/zero of=/dev/null bs=128M count=1 2> /dev/null";

#[track_caller]
fn can_limit_memory() -> bool {
    works(Feature::Limit(Limit::Memory), Container::new().memory_limit(MEMORY))
}

#[test]
fn memory_that_was_not_to_be_had_is_the_cause_where_the_workload_failed() {
    if !can_limit_memory() {
        return;
    }
    let of_child = |then: &str| sh(&format!("{MUCH_MEMORY}; {then}")).memory_limit(MEMORY);

    let workload = report(&sh(&format!("exec {MUCH_MEMORY}")).memory_limit(MEMORY));
    let handled_and_failed = report(&of_child("exit 3"));
    let handled_and_killed = report(&of_child("kill -KILL $$"));

    assert_eq!(end(&workload), (Cause::Memory, None, KILLED));
    assert_eq!(end(&handled_and_failed), (Cause::Memory, Some(3), None));
    assert_eq!(end(&handled_and_killed), (Cause::Memory, None, KILLED));
    for report in [workload, handled_and_failed, handled_and_killed] {
        assert_eq!(report.reached(), [Limit::Memory], "{report:?}");
        assert!(report.usage().oom_kills.is_some_and(|kills| kills.value > 0), "{report:?}");
    }
    assert_eq!(end(&report(&sh(MUCH_MEMORY))), (Cause::Exited, Some(0), None), "the control: without limit");
}

#[test]
fn a_workload_that_succeeds_though_a_child_was_killed_exited() {
    if !can_limit_memory() {
        return;
    }

    let report = report(&sh(&format!("{MUCH_MEMORY}; exit 0")).memory_limit(MEMORY));

    assert_eq!((end(&report), report.reached()), ((Cause::Exited, Some(0), None), &[Limit::Memory][..]));
}

#[test]
fn a_kill_by_somebody_else_is_not_taken_for_one_for_want_of_memory() {
    if !can_limit_memory() {
        return;
    }

    let report = report(&sh("kill -KILL $$").memory_limit(MEMORY));

    assert_eq!((end(&report), report.reached()), ((Cause::Signalled, None, KILLED), &[][..]));
    assert_eq!(report.usage().oom_kills.expect("a figure").value, 0);
}

#[test]
fn what_init_did_counts_before_what_the_kernel_did() {
    if !can_limit_memory() {
        return;
    }
    let container = sh(&format!("{MUCH_MEMORY}; echo ready; kill -STOP $$")).memory_limit(MEMORY);
    let mut child = start_until_ready(container);
    child.set_wall_time_limit(Duration::from_nanos(1)).expect("init");

    let report = child.wait().expect("a report");

    assert_eq!(end(&report), (Cause::WallTime, None, KILLED));
    assert_eq!(report.reached(), [Limit::Memory, Limit::WallTime]);
}

#[test]
fn more_output_than_may_be_captured_ends_the_workload() {
    probe_first();
    let all = output(&sh("head -c 600 /dev/zero; head -c 400 /dev/zero >&2").output_limit(1000));
    let one_more =
        output(&sh("head -c 600 /dev/zero; head -c 401 /dev/zero >&2; exec sleep 86400").output_limit(1000));

    assert_eq!(end(&all.report), (Cause::Exited, Some(0), None));
    assert_eq!((all.stdout.len(), all.stderr.len(), all.report.reached()), (600, 400, &[][..]));
    assert_eq!(end(&one_more.report), (Cause::Output, None, KILLED));
    assert_eq!(one_more.stdout.len() + one_more.stderr.len(), 1000);
    assert_eq!(enforcement(&all.report, Limit::Output).mechanism, "host");
}

#[test]
fn what_is_ended_for_its_output_is_killed_each_time() {
    probe_first();
    for round in 0..50 {
        let yes = output(&sh("exec yes").output_limit(1000));

        // Not by SIGPIPE, because nobody read any more.
        assert_eq!(end(&yes.report), (Cause::Output, None, KILLED), "round {round}");
        assert_eq!((yes.stdout.len(), yes.report.reached()), (1000, &[Limit::Output][..]));
    }
}

/// Waits until the workload has ended, and reads nothing.
fn await_end(child: &Child) {
    let mut ended = [PollFd::new(child.pidfd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(DEADLINE).expect("a timeout");
    assert_eq!(poll(&mut ended, timeout), Ok(1), "it ends within the deadline");
}

#[test]
fn a_workload_that_wrote_too_much_and_ended_by_itself_keeps_its_status() {
    probe_first();
    for (script, code, signal) in
        [("exit 0", Some(0), None), ("exit 3", Some(3), None), ("kill -KILL $$", None, KILLED)]
    {
        for round in 0..20 {
            let container = sh(&format!("head -c 5000 /dev/zero; {script}")).output_limit(1000);
            let container = container.stdin(Stdio::null()).stdout(Stdio::piped());
            let child = container.spawn().expect("a container");
            await_end(&child);

            let output = child.wait_with_output().expect("output");

            assert_eq!(end(&output.report), (Cause::Output, code, signal), "{script}, round {round}");
            assert_eq!(output.stdout.len(), 1000);
        }
    }
}

#[test]
fn too_much_output_is_the_cause_whoever_is_first() {
    probe_first();
    for round in 0..50 {
        let output = output(&sh("head -c 5000 /dev/zero; exit 3").output_limit(1000));

        let (cause, code, signal) = end(&output.report);
        assert_eq!((cause, output.report.reached()), (Cause::Output, &[Limit::Output][..]), "round {round}");
        assert!([(Some(3), None), (None, KILLED)].contains(&(code, signal)), "{code:?} {signal:?}");
        assert_eq!(output.stdout.len(), 1000);
    }
}

#[test]
fn a_file_beyond_the_largest_size_is_output() {
    probe_first();
    let write = |bytes: u32, first: &str| {
        let script = format!("{first} exec dd if=/dev/zero of=/tmp/file bs=1000 count={bytes} 2> /dev/null");
        sh(&script).file_size_limit(10_000)
    };

    let within = report(&write(10, ""));
    let beyond = report(&write(11, ""));
    let deaf = report(&write(11, "trap '' XFSZ;"));

    assert_eq!((end(&within), within.reached()), ((Cause::Exited, Some(0), None), &[][..]));
    assert_eq!(end(&beyond), (Cause::Output, None, Some(libc::SIGXFSZ)));
    assert_eq!(beyond.reached(), [Limit::FileSize]);
    assert_eq!(end(&deaf), (Cause::Exited, Some(1), None), "it got EFBIG");
    assert_eq!(enforcement(&within, Limit::FileSize).mechanism, "RLIMIT_FSIZE");
}

#[test]
fn a_refused_process_is_the_cause_where_the_workload_failed() {
    if !counts_refused_processes() || !needs_program(PERL) {
        return;
    }
    // Of ten processes at a time the perl itself is one.
    let forks = |children: u32, then: &str| {
        let forks = format!("for (1 .. {children}) {{ $pid = fork; $refused++ unless defined $pid; ");
        perl(&format!("{forks} sleep 86400 if defined $pid and !$pid }} {then}")).pids_limit(10)
    };

    let failed = report(&forks(10, "exit($refused ? 7 : 8)"));
    let aborted = report(&forks(10, "kill 'ABRT', $$"));
    let succeeded = report(&forks(10, "exit($refused ? 0 : 8)"));
    let within = report(&forks(9, "exit($refused ? 7 : 8)"));

    assert_eq!((end(&failed), failed.reached()), ((Cause::Pids, Some(7), None), &[Limit::Pids][..]));
    assert_eq!(end(&aborted), (Cause::Pids, None, Some(libc::SIGABRT)));
    assert_eq!((end(&succeeded), succeeded.reached()), ((Cause::Exited, Some(0), None), &[Limit::Pids][..]));
    assert_eq!((end(&within), within.reached()), ((Cause::Exited, Some(8), None), &[][..]));
    assert!(failed.usage().pids_limit_hits.is_some_and(|hits| hits.value > 0), "{failed:?}");
}

#[test]
fn killed_by_the_host_is_told_from_killed_by_itself() {
    probe_first();
    let mut by_host = start_until_ready(sh("echo ready; exec sleep 86400"));
    by_host.kill().expect("init");
    let mut by_signal = start_until_ready(sh("echo ready; exec sleep 86400"));
    by_signal.signal(libc::SIGKILL).expect("a workload");
    let mut before = sh("exit 5").stdin(Stdio::null()).spawn().expect("a container");
    await_end(&before);
    before.kill().expect("init");

    assert_eq!(end(&by_host.wait().expect("a report")), (Cause::Killed, None, KILLED));
    assert_eq!(end(&by_signal.wait().expect("a report")), (Cause::Signalled, None, KILLED));
    assert_eq!(end(&before.wait().expect("a report")), (Cause::Exited, Some(5), None), "it had ended");
}

#[test]
fn the_first_of_two_reasons_to_end_it_counts() {
    probe_first();
    let sleeper = sh("echo ready; exec sleep 86400");
    let limited = sleeper.clone().wall_time_limit(Duration::from_millis(200));
    let mut limit_first = start_until_ready(limited);
    let workload = limit_first.id();
    eventually("it is ended by its limit", || !is_alive(workload));
    limit_first.kill().expect("init");
    let mut kill_first = start_until_ready(sleeper.wall_time_limit(Duration::from_secs(3600)));
    kill_first.kill().expect("init");

    let (limit_first, kill_first) =
        (limit_first.wait().expect("a report"), kill_first.wait().expect("a report"));

    assert_eq!((limit_first.cause(), limit_first.reached()), (Cause::WallTime, &[Limit::WallTime][..]));
    assert_eq!((kill_first.cause(), kill_first.reached()), (Cause::Killed, &[][..]));
}

#[test]
fn a_call_that_a_filter_forbids_is_told_from_other_signals() {
    probe_first();
    if !needs_program(PERL) {
        return;
    }
    // A filter of one instruction, which ends whoever makes a system call: seccomp(2).
    let (return_constant, kill_process) = (0x06, 0x8000_0000_u32);
    let (seccomp, set_filter) = (libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER);
    let filter = format!(
        "my $program = pack('SCCL', {return_constant}, 0, 0, {kill_process}); \
         my $filter = pack('Sx6P', 1, $program); syscall({seccomp}, {set_filter}, 0, $filter); exit 9"
    );

    let (filtered, sent) = (report(&perl(&filter)), report(&sh("kill -SYS $$")));

    assert_eq!(end(&filtered), (Cause::Seccomp, None, Some(libc::SIGSYS)));
    assert_eq!(end(&sent), (Cause::Seccomp, None, Some(libc::SIGSYS)), "who sent it cannot be known");
    assert_eq!(end(&report(&sh("sh -c 'kill -SYS $$'; exit 4"))).0, Cause::Exited, "the workload's own end");
}

#[test]
fn a_program_that_is_a_little_late_has_its_true_time_and_status() {
    probe_first();
    let limit = Duration::from_millis(100);
    let late = |script: &str| sh(script).wall_time_limit(limit).extra_time(Duration::from_secs(3600));

    for (script, expected) in [
        ("sleep 0.3", (Cause::WallTime, Some(0), None)),
        ("sleep 0.3; exit 3", (Cause::WallTime, Some(3), None)),
        ("sleep 0.3; kill -ABRT $$", (Cause::WallTime, None, Some(libc::SIGABRT))),
        ("sleep 0.3; kill -KILL $$", (Cause::WallTime, None, KILLED)),
    ] {
        let report = report(&late(script));

        assert_eq!((end(&report), report.reached()), (expected, &[Limit::WallTime][..]), "{script}");
        assert!(report.wall_time() >= Duration::from_millis(300), "{report:?}");
    }
    let early = report(&sh("exit 3").wall_time_limit(DEADLINE).extra_time(DEADLINE));
    assert_eq!((end(&early), early.reached()), ((Cause::Exited, Some(3), None), &[][..]));
}

#[test]
fn a_program_that_is_too_late_is_ended() {
    probe_first();
    let (limit, extra) = (Duration::from_millis(100), Duration::from_millis(400));
    let container = sh("exec sleep 86400").wall_time_limit(limit);

    let report = report(&container.extra_time(extra));

    assert_eq!((end(&report), report.reached()), ((Cause::WallTime, None, KILLED), &[Limit::WallTime][..]));
    assert!(report.wall_time() >= limit + extra, "{report:?}");
}

#[test]
fn extra_time_holds_for_cpu_time_too() {
    let limit = Duration::from_millis(200);
    let extra = Duration::from_millis(400);
    if !works(Feature::Limit(Limit::CpuTime), Container::new().cpu_time_limit(limit)) || !needs_program(PERL)
    {
        return;
    }

    let late = report(&perl("burn(0.4); exit 3").cpu_time_limit(limit).extra_time(Duration::from_secs(3600)));
    let too_late = report(&sh(BUSY).cpu_time_limit(limit).extra_time(extra));

    assert_eq!((end(&late), late.reached()), ((Cause::CpuTime, Some(3), None), &[Limit::CpuTime][..]));
    assert!(late.cpu_time() >= Duration::from_millis(400), "{late:?}");
    assert_eq!(end(&too_late), (Cause::CpuTime, None, KILLED));
    assert!(too_late.cpu_time() >= limit + extra, "{too_late:?}");
}

/// The median of what a program uses without limits.
fn usual(container: &Container, figure: impl Fn(&Report) -> Duration) -> Duration {
    let mut figures: Vec<_> = (0..11).map(|_| figure(&report(container))).collect();
    figures.sort();
    figures[5]
}

#[test]
fn the_figure_of_wall_time_decides_each_time() {
    probe_first();
    let program = Container::new().command("/bin/sleep").arg("0.005");
    let limit = usual(&program, Report::wall_time);
    for extra in [Duration::ZERO, Duration::from_secs(3600)] {
        for round in 0..60 {
            let report = report(&program.clone().wall_time_limit(limit).extra_time(extra));

            let late = report.wall_time() > limit;
            assert_eq!(report.cause() == Cause::WallTime, late, "round {round}: {report:?}");
            assert_eq!(report.reached().contains(&Limit::WallTime), late, "round {round}: {report:?}");
            assert!(report.success() || late && extra.is_zero() && report.signal() == KILLED, "{report:?}");
        }
    }
}

#[test]
fn the_figure_of_cpu_time_decides_each_time() {
    let limited = Container::new().cpu_time_limit(DEADLINE);
    if !works(Feature::Limit(Limit::CpuTime), limited) || !needs_program(PERL) {
        return;
    }
    decide_by_cpu_time(perl("burn(0.01)").accounting(true));
}

#[test]
fn the_figure_of_cpu_time_decides_without_a_cgroup_too() {
    probe_first();
    if needs_program(PERL) {
        decide_by_cpu_time(without_groups(perl("burn(0.01)")).best_effort([Limit::CpuTime]));
    }
}

#[track_caller]
fn decide_by_cpu_time(program: Container) {
    let limit = usual(&program, Report::cpu_time);
    for extra in [Duration::ZERO, Duration::from_secs(3600)] {
        for round in 0..30 {
            let report = report(&program.clone().cpu_time_limit(limit).extra_time(extra));

            let late = report.cpu_time() > limit;
            assert_eq!(report.cause() == Cause::CpuTime, late, "round {round}: {report:?}");
            assert_eq!(report.reached().contains(&Limit::CpuTime), late, "round {round}: {report:?}");
            assert!(report.success() || late && extra.is_zero() && report.signal() == KILLED, "{report:?}");
        }
    }
}

#[test]
fn whole_seconds_without_a_cgroup_are_the_limit_and_not_a_signal() {
    probe_first();
    // There the kernel ends the process, by RLIMIT_CPU, in the same moment as init.
    let busy = without_groups(sh(BUSY)).cpu_time_limit(Duration::from_secs(1)).best_effort([Limit::CpuTime]);
    for _ in 0..3 {
        let report = report(&busy);

        assert_eq!((end(&report), report.reached()), ((Cause::CpuTime, None, KILLED), &[Limit::CpuTime][..]));
    }
}

#[test]
fn every_cause_has_a_name() {
    probe_first();
    let names: Vec<_> = [
        report(&sh("exit 1")),
        report(&sh("kill -ABRT $$")),
        report(&sh("exec yes").output_limit(10)),
        report(&sh("exec sleep 86400").wall_time_limit(Duration::from_millis(10))),
    ]
    .map(|report| report.cause().to_string())
    .into();

    assert_eq!(names, ["exited", "signalled", "output", "wall_time"]);
}

#[test]
fn what_was_written_before_the_end_is_there() {
    probe_first();
    let container = sh("echo before; exec sleep 86400").wall_time_limit(Duration::from_secs(1));

    let output = output(&container);

    assert_eq!((output.report.cause(), text(&output.stdout).as_str()), (Cause::WallTime, "before"));
}
