//! Where there is no control group to be had, limits that hold without one hold; the others are an error, or are
//! held in a weaker way that was asked for and that the report names.
//!
//! Who has groups, as root does everywhere, runs these tests again without any cgroup tree.

mod common;

use std::time::Duration;

use cofferdam::{
    Capabilities, Cause, Child, Container, ErrorKind, IdMap, IdMapping, IoLimit, Limit, Namespaces, Report,
    Resource, Seccomp, Stdio,
};
use common::cgroups::has_no_groups;
use common::helper::is_helper;
use common::processes::{DEADLINE, next_line};
use common::{is_root, needs_root, output, sh, stdout, text};

fn perl(script: &str) -> Container {
    Container::new().command("/usr/bin/perl").args(["-e", script])
}

fn enforced(report: &Report) -> Vec<(Limit, &'static str, bool)> {
    report.enforced_by().iter().map(|by| (by.limit, by.mechanism, by.strict)).collect()
}

// What needs a group

#[test]
fn what_cannot_be_held_strictly_is_an_error() {
    if !has_no_groups("what_cannot_be_held_strictly_is_an_error") {
        return;
    }
    let cases = [
        sh("true").memory_limit(64 << 20),
        sh("true").cpu_time_limit(Duration::from_secs(9)),
        sh("true").cpuset([0]),
        sh("true").cpus(0.5),
        sh("true").cpu_weight(50),
        sh("true").io_weight(50),
        sh("true").hugetlb_limit(2 << 20, 0),
        sh("true").accounting(true),
        sh("true").pids_limit(8).memory_limit(64 << 20).best_effort([Limit::CpuTime, Limit::Cpuset]),
    ];
    for (index, container) in cases.iter().enumerate() {
        let error = container.spawn().expect_err("no group");
        assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "cgroup"), "{index}: {error}");
        assert!(error.remedy().is_some(), "{index}: {error}");
    }
    assert!(output(&sh("true")).status.success(), "the control: without limits");
}

#[test]
fn what_has_no_weaker_way_is_an_error_even_so() {
    if !has_no_groups("what_has_no_weaker_way_is_an_error_even_so") {
        return;
    }
    let device = IoLimit::new("/dev/null").read_bytes(1);
    let cases = [
        (Limit::Cpus, sh("true").cpus(0.5)),
        (Limit::CpuWeight, sh("true").cpu_weight(50)),
        (Limit::Io, sh("true").io_limit(device)),
        (Limit::IoWeight, sh("true").io_weight(50)),
        (Limit::Hugetlb, sh("true").hugetlb_limit(2 << 20, 0)),
        (Limit::Swap, sh("true").memory_limit(64 << 20).swap_limit(1 << 20).best_effort([Limit::Memory])),
    ];
    for (limit, container) in cases {
        match container.best_effort([limit]).output() {
            Ok(output) => panic!("{limit} is held by {:?}", enforced(&output.report)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::LimitUnavailable, "{limit}: {error}"),
        }
    }
}

#[test]
fn what_needs_no_group_holds_strictly() {
    if !has_no_groups("what_needs_no_group_holds_strictly") {
        return;
    }
    let container = |script| {
        let container = sh(script).wall_time_limit(Duration::from_secs(600)).output_limit(10);
        container.file_size_limit(4096).disk_limit(16 << 10, 100).pids_limit(8)
    };

    let report = output(&container("true")).report;

    let expected = [
        (Limit::Pids, "RLIMIT_NPROC", true),
        (Limit::WallTime, "init", true),
        (Limit::Output, "host", true),
        (Limit::FileSize, "RLIMIT_FSIZE", true),
        (Limit::Disk, "tmpfs", true),
    ];
    assert_eq!((report.cause(), enforced(&report)), (Cause::Exited, expected.to_vec()));
    let causes = [
        ("sleep 86400", Cause::WallTime),
        ("yes", Cause::Output),
        ("exec head -c 5000 /dev/zero > /tmp/file", Cause::Output),
    ];
    for (script, cause) in causes {
        let short = Duration::from_millis(if cause == Cause::WallTime { 50 } else { 600_000 });
        assert_eq!(output(&container(script).wall_time_limit(short)).report.cause(), cause, "{script}");
    }
    let full =
        "for file in 1 2 3 4 5; do head -c 4096 /dev/zero > /tmp/$file; done 2> /dev/null || echo full";
    assert_eq!(stdout(&container(full)), "full");
}

// What is weaker

#[test]
fn memory_is_bounded_for_each_process() {
    if !has_no_groups("memory_is_bounded_for_each_process") {
        return;
    }
    let limited = |container: Container| container.memory_limit(64 << 20).best_effort([Limit::Memory]);
    let take = |megabytes: u32| perl(&format!("my $memory = 'x' x ({megabytes} << 20); print 'taken'"));

    let within = output(&limited(take(16)));
    let beyond = output(&limited(take(128)));

    assert_eq!(text(&within.stdout), "taken");
    assert_eq!(enforced(&within.report), [(Limit::Memory, "RLIMIT_DATA", false)]);
    assert!(!beyond.status.success() && beyond.stdout.is_empty());
    assert_eq!(stdout(&take(128)), "taken", "the control: without limit");
    let script = "ulimit -d; ulimit -d unlimited 2> /dev/null || echo for good";
    assert_eq!(stdout(&limited(sh(script))), "65536\nfor good");
}

#[test]
fn cpu_time_is_bounded_for_the_first_process_and_for_each_other() {
    if !has_no_groups("cpu_time_is_bounded_for_the_first_process_and_for_each_other") {
        return;
    }
    let limited = |script, milliseconds| {
        let container = sh(script).cpu_time_limit(Duration::from_millis(milliseconds));
        // So that it ends also where the limit does not hold.
        container.wall_time_limit(DEADLINE).best_effort([Limit::CpuTime]).stdin(Stdio::null())
    };

    let within = output(&limited("ulimit -t", 9500));
    assert_eq!(
        (within.report.cause(), text(&within.stdout)),
        (Cause::Exited, "11".to_owned()),
        "a second later"
    );
    assert_eq!(enforced(&within.report)[0], (Limit::CpuTime, "init and RLIMIT_CPU", false));
    // Init ends the first process; its child ends by a limit of its own.
    for (script, signal) in
        [("while :; do :; done", Some(libc::SIGKILL)), ("(while :; do :; done) & wait", None)]
    {
        let beyond = output(&limited(script, 300)).report;
        assert_eq!((beyond.cause(), beyond.signal()), (Cause::CpuTime, signal), "{script}: {beyond:?}");
        assert!(beyond.cpu_time() >= Duration::from_millis(300), "{script}: {beyond:?}");
    }
}

#[test]
fn a_cpuset_is_the_affinity_at_the_start() {
    if !has_no_groups("a_cpuset_is_the_affinity_at_the_start") {
        return;
    }
    let allowed = |container: &Container| stdout(container).split_whitespace().last().map(str::to_owned);
    let container = sh("grep Cpus_allowed_list /proc/self/status");
    let cpu = first_cpu();

    let limited = container.clone().cpuset([cpu]).best_effort([Limit::Cpuset]);

    assert_eq!(allowed(&limited), Some(cpu.to_string()));
    assert_eq!(enforced(&output(&limited).report), [(Limit::Cpuset, "sched_setaffinity", false)]);
    let outside = common::on_host("grep Cpus_allowed_list /proc/self/status");
    assert_eq!(allowed(&container), outside.split_whitespace().last().map(str::to_owned), "the control");
}

/// Of those that this program may use.
fn first_cpu() -> usize {
    let list = common::on_host("grep Cpus_allowed_list /proc/self/status");
    let list = list.split_whitespace().last().expect("a list");
    list.split([',', '-']).next().expect("a CPU").parse().expect("a number")
}

// Processes

/// Makes children until it cannot, and prints how many processes there are then.
const FORK: &str = "my $count = 1; \
    while ($count < 50) { my $pid = fork; last unless defined $pid; sleep 86400 unless $pid; $count++ } \
    $| = 1; print \"$count\\n\"; sleep 86400 if @ARGV;";

/// The same with threads.
const THREADS: &str = "use threads; use threads::shared; $SIG{__WARN__} = sub {}; my $count = 1; \
    while ($count < 50) { last unless threads->create({ stack_size => 65536 }, sub { sleep 86400 }); $count++ } \
    $| = 1; print \"$count\\n\"; kill 'KILL', $$;";

#[test]
fn as_many_processes_as_the_limit_can_be_and_no_more() {
    if !has_no_groups("as_many_processes_as_the_limit_can_be_and_no_more") {
        return;
    }
    for limit in [1, 2, 7] {
        let output = output(&perl(FORK).pids_limit(limit));
        assert_eq!(text(&output.stdout), limit.to_string());
        assert_eq!(enforced(&output.report), [(Limit::Pids, "RLIMIT_NPROC", true)]);
    }
    assert_eq!(stdout(&perl(FORK)), "50", "the control: without limit");
}

#[test]
fn threads_count_as_processes() {
    if !has_no_groups("threads_count_as_processes") {
        return;
    }
    assert_eq!(text(&output(&perl(THREADS).pids_limit(7)).stdout), "7");
    assert_eq!(text(&output(&perl(THREADS)).stdout), "50", "the control: without limit");
}

#[test]
fn as_many_processes_can_be_whatever_ids_the_workload_has() {
    if !has_no_groups("as_many_processes_can_be_whatever_ids_the_workload_has") {
        return;
    }
    let range = || vec![IdMap { inside: 0, outside: 200_000, count: 2000 }];
    let ranges = || IdMapping::Ranges { uids: range(), gids: range() };
    let mut containers = vec![perl(FORK).user(0, 0), perl(FORK).user(5, 5)];
    if is_root() {
        let base = || perl(FORK).id_mapping(ranges());
        containers.extend([base(), base().user(0, 0), base().user(7, 7)]);
        containers.push(perl(FORK).user(0, 0).capabilities(Capabilities::all()));
        // It could take another id, of which no process has been counted.
        let error = base().capabilities(Capabilities::SETUID).pids_limit(7).spawn().expect_err("no limit");
        assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "rlimit"), "{error}");
    }
    for container in containers {
        assert_eq!(stdout(&container.pids_limit(7)), "7");
    }
}

#[test]
fn as_many_processes_can_be_without_a_pid_namespace() {
    if !has_no_groups("as_many_processes_can_be_without_a_pid_namespace") {
        return;
    }
    assert_eq!(stdout(&perl(FORK).share(Namespaces::PID).pids_limit(7)), "7");
}

#[test]
fn containers_of_one_user_do_not_disturb_each_other() {
    if !has_no_groups("containers_of_one_user_do_not_disturb_each_other") {
        return;
    }
    let start = || {
        let container = perl(FORK).arg("stay").pids_limit(7).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child: Child = container.spawn().expect("a container");
        let count = next_line(child.stdout.as_mut().expect("a pipe"));
        (child, count)
    };

    let first = start();
    let second = start();

    assert_eq!((first.1.as_str(), second.1.as_str()), ("7", "7"));
}

#[test]
fn a_user_namespace_of_the_workloads_own_is_no_way_out() {
    if !has_no_groups("a_user_namespace_of_the_workloads_own_is_no_way_out") {
        return;
    }
    let script = "unshare --user sh -c 'for i in 1 2 3 4 5 6 7; do sleep 86400 & done; echo made'";

    let open = sh(script).seccomp(Seccomp::unconfined());

    let limited = output(&open.clone().pids_limit(7));

    assert!(limited.stdout.is_empty(), "eight, with the shell of the new namespace: {limited:?}");
    assert!(text(&limited.stderr).contains("fork"), "{limited:?}");
    assert_eq!(text(&output(&open).stdout), "made", "the control: without limit");
}

#[test]
fn a_program_that_is_refused_a_process_can_make_one_later() {
    if !has_no_groups("a_program_that_is_refused_a_process_can_make_one_later") {
        return;
    }
    let script = "my $first = fork; defined $first or die; sleep 86400 unless $first; \
        defined fork and die 'a third'; kill 'KILL', $first; waitpid $first, 0; \
        my $later = fork; exit 0 if defined $later && !$later; print defined $later ? 'later' : 'never'";

    assert_eq!(stdout(&perl(script).pids_limit(2)), "later");
}

#[test]
fn of_two_limits_of_processes_the_lower_one_holds() {
    if !has_no_groups("of_two_limits_of_processes_the_lower_one_holds") {
        return;
    }
    let own = |count| perl(FORK).rlimit(Resource::Processes, count, count).pids_limit(7);

    // The container's init is of the same user.
    assert_eq!((stdout(&own(5)), stdout(&own(40))), ("4".to_owned(), "7".to_owned()));
    let raise = perl(&format!("system 'ulimit -u 40'; {FORK}"));
    assert_eq!(stdout(&raise.pids_limit(7)), "7", "and cannot be raised");
}

#[test]
fn root_of_the_host_is_not_held_by_a_limit_of_processes() {
    if !needs_root("it is about root")
        || !has_no_groups("root_of_the_host_is_not_held_by_a_limit_of_processes")
    {
        return;
    }
    let root = vec![IdMap { inside: 0, outside: 0, count: 1 }];
    let mapping = IdMapping::Ranges { uids: root.clone(), gids: root };
    let cases = [
        perl(FORK).user(0, 0).id_mapping(mapping),
        perl(FORK).user(0, 0).id_mapping(IdMapping::Host { uid: 0, gid: 0 }),
        perl(FORK).share(Namespaces::USER).user(0, 0),
        perl(FORK).share(Namespaces::USER),
    ];
    for (index, container) in cases.into_iter().enumerate() {
        let error = container.pids_limit(7).spawn().expect_err("it would not hold");
        assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "rlimit"), "{index}: {error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("user namespace")), "{index}: {error}");
    }
}

#[test]
fn these_tests_run_without_groups() {
    if has_no_groups("these_tests_run_without_groups") && is_root() {
        assert!(is_helper("these_tests_run_without_groups"));
        assert!(!common::on_host("cat /proc/self/mountinfo").contains(" - cgroup"));
    }
}
