//! A running container can be watched, paused, and given other limits.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use cofferdam::{Cause, Child, Container, Error, ErrorKind, Feature, Limit, Namespaces, Stdio};
use common::limits::{
    BUSY, PERL, can_account, counts_refused_processes, enforcement, perl, probe_first, without_groups, works,
};
use common::processes::{
    DEADLINE, children_of, eventually, init_of, is_alive, is_stopped, processes_with, start_until_ready,
    unique_sleep,
};
use common::{make_open_dir, needs_program, on_host, output, sh, temp_dir, text};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

/// Starts a container that waits for a line on standard input before it goes on with a script.
#[track_caller]
fn waiting(container: Container) -> Child {
    container.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a container")
}

/// As [`waiting`], for a shell script.
fn waits_then(script: &str) -> Container {
    sh(&format!("read line; {script}"))
}

/// Sends a waiting container its line.
#[track_caller]
fn go(child: &mut Child) {
    child.stdin.as_mut().expect("a pipe").write_all(b"go\n").expect("a reader");
}

/// Lets a waiting container go on, to its end: the cause, and what it wrote.
#[track_caller]
fn go_to_the_end(mut child: Child) -> (Cause, String) {
    go(&mut child);
    let output = child.wait_with_output().expect("output");
    (output.report.cause(), text(&output.stdout))
}

#[track_caller]
fn assert_unavailable(result: cofferdam::Result<()>) {
    let error: Error = result.expect_err("there is nothing to change");
    assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "cgroup"), "{error}");
    assert!(error.remedy().is_some(), "{error}");
}

#[track_caller]
fn assert_invalid(result: cofferdam::Result<()>) {
    let error: Error = result.expect_err("a limit that makes no sense");
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "limits"), "{error}");
}

#[test]
fn figures_grow_and_name_their_sources() {
    if !can_account() {
        return;
    }
    let mut child = waiting(waits_then(BUSY).accounting(true));
    let before = child.stats().expect("figures");
    let cpu_time = before.cpu_time.expect("a figure");

    go(&mut child);

    assert!(["cpu.stat", "cpuacct.usage"].contains(&cpu_time.source), "{cpu_time:?}");
    eventually("the CPU time grows", || {
        let now = child.stats().expect("figures").cpu_time.expect("a figure");
        now.value > cpu_time.value + Duration::from_millis(50)
    });
    assert!(child.stats().expect("figures").wall_time > before.wall_time + Duration::from_millis(25));
    child.kill().expect("init");
    let report = child.wait().expect("a report");
    assert_eq!(&child.stats().expect("figures"), report.usage(), "after the end");
    assert!(report.cpu_time() >= Duration::from_millis(50), "{report:?}");
}

#[test]
fn memory_and_processes_of_now_are_told() {
    if !counts_refused_processes()
        || !works(Feature::Limit(Limit::Memory), Container::new().memory_limit(256 << 20))
    {
        return;
    }
    let marker = unique_sleep();
    let script =
        format!("sleep {marker} & sleep {marker} & dd if=/dev/zero of=/tmp/file bs=1M count=32; read line");
    let container = waits_then(&script).pids_limit(10).memory_limit(256 << 20).stderr(Stdio::null());
    let mut child = waiting(container);
    let before = child.stats().expect("figures");

    go(&mut child);

    let memory = before.memory.expect("a figure");
    assert!(["memory.current", "memory.usage_in_bytes"].contains(&memory.source), "{memory:?}");
    assert!(memory.value < 32 << 20, "{before:?}");
    assert_eq!(
        before.pids.map(|pids| (pids.value, pids.source)),
        Some((1, "pids.current")),
        "init is not counted"
    );
    eventually("memory and processes are in use", || {
        let now = child.stats().expect("figures");
        // The shell and two more, when `dd` has ended.
        now.memory.is_some_and(|memory| memory.value >= 32 << 20)
            && now.pids.is_some_and(|pids| pids.value == 3)
    });
    let report = child.wait().expect("a report");
    assert_eq!((report.usage().memory, report.usage().pids), (None, None), "there is nothing any more");
    assert!(report.memory_peak() >= 32 << 20, "{report:?}");
}

#[test]
fn without_a_cgroup_there_are_figures_too() {
    probe_first();
    let mut child = waiting(waits_then(BUSY));
    let before = child.stats().expect("figures");

    go(&mut child);

    assert_eq!(before.cpu_time.expect("a figure").source, "/proc/PID/stat");
    assert_eq!((before.memory, before.pids), (None, None), "nothing measures them");
    eventually("the CPU time grows", || {
        let now = child.stats().expect("figures").cpu_time.expect("a figure");
        now.value > before.cpu_time.expect("a figure").value + Duration::from_millis(50)
    });
}

/// A container of two processes that write to one file each without end, and the directory of the files.
struct Writers {
    directory: TempDir,
    child: Child,
}

impl Writers {
    #[track_caller]
    fn start(container: Container) -> Self {
        let directory = temp_dir();
        let files = directory.path().join("files");
        make_open_dir(&files);
        let child =
            container.bind_writable(&files, "/files").stdin(Stdio::null()).spawn().expect("a container");
        let writers = Writers { directory, child };
        writers.go_on();
        writers
    }

    fn written(&self) -> [u64; 2] {
        let size = |name: &str| {
            fs::metadata(self.directory.path().join("files").join(name)).map_or(0, |file| file.len())
        };
        ["first", "second"].map(size)
    }

    /// Both write.
    #[track_caller]
    fn go_on(&self) {
        let before = self.written();
        eventually("both write", || {
            let now = self.written();
            now[0] > before[0] && now[1] > before[1]
        });
    }

    /// Neither writes, while other containers get to their end.
    #[track_caller]
    fn stand_still(&self) {
        let before = self.written();
        for _ in 0..5 {
            assert!(output(&sh("sleep 0.02")).status.success(), "the control: others are not stopped");
        }
        assert_eq!(self.written(), before);
    }
}

/// Writers that are in a cgroup, or not.
fn writers(accounting: bool) -> Container {
    let write = |name: &str| format!("while :; do echo >> /files/{name}; done");
    sh(&format!("({}) & {}", write("first"), write("second"))).accounting(accounting)
}

/// Whether a test can be made with a cgroup; without one it always can.
#[track_caller]
fn can_run(accounting: bool) -> bool {
    probe_first();
    !accounting || can_account()
}

#[track_caller]
fn a_paused_container_stands_still(accounting: bool) {
    if !can_run(accounting) {
        return;
    }
    let mut writers = Writers::start(writers(accounting));

    for round in 0..2 {
        writers.child.pause().expect("a freezer, or init");
        if !accounting {
            // They stop at once, but nobody waited for it.
            let mut processes = children_of(writers.child.id());
            processes.insert(writers.child.id());
            assert_eq!(processes.len(), 2, "{processes:?}");
            eventually("they stop", || processes.iter().all(|pid| is_stopped(*pid)));
        }
        writers.stand_still();
        assert_eq!(writers.child.try_wait().expect("init"), None, "round {round}");

        writers.child.resume().expect("a freezer, or init");
        writers.go_on();
    }

    writers.child.kill().expect("init");
    assert_eq!(writers.child.wait().expect("a report").cause(), Cause::Killed);
}

#[test]
fn a_paused_container_with_a_cgroup_stands_still() {
    a_paused_container_stands_still(true);
}

#[test]
fn a_paused_container_without_a_cgroup_stands_still() {
    a_paused_container_stands_still(false);
}

#[track_caller]
fn a_paused_container_can_be_ended(accounting: bool) {
    if !can_run(accounting) {
        return;
    }
    let paused = |limit: Duration| {
        let container = sh("trap '' TERM; echo ready; read line").accounting(accounting);
        let container = container.wall_time_limit(limit);
        let mut child = container.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a container");
        assert_eq!(common::processes::next_line(child.stdout.as_mut().expect("a pipe")), "ready");
        child.pause().expect("a freezer, or init");
        child
    };
    let mut killed = paused(HOUR);
    killed.kill().expect("init");
    let mut late = paused(Duration::from_secs(2));
    let dropped = paused(HOUR);
    let workload = dropped.id();

    drop(dropped);

    assert!(!is_alive(workload), "a dropped one has ended");
    let killed = killed.wait_timeout(DEADLINE).expect("init").expect("an end within the deadline");
    assert_eq!((killed.cause(), killed.signal()), (Cause::Killed, Some(libc::SIGKILL)));
    let late = late.wait_timeout(DEADLINE).expect("init").expect("an end within the deadline");
    assert_eq!((late.cause(), late.signal()), (Cause::WallTime, Some(libc::SIGKILL)));
}

#[test]
fn a_paused_container_with_a_cgroup_can_be_ended() {
    a_paused_container_can_be_ended(true);
}

#[test]
fn a_paused_container_without_a_cgroup_can_be_ended() {
    a_paused_container_can_be_ended(false);
}

#[test]
fn pausing_one_that_has_ended_does_not_wait() {
    for accounting in [false, true] {
        if !can_run(accounting) {
            return;
        }
        let mut child = sh("true").accounting(accounting).stdin(Stdio::null()).spawn().expect("a container");
        let workload = child.id();
        eventually("it ends", || !is_alive(workload));

        // Whether that is an error is a matter of who is first.
        let _ = child.pause();
        let _ = child.resume();

        assert!(child.wait().expect("a report").success());
        child.pause().expect("nothing happens");
        child.resume().expect("nothing happens");
    }
}

#[test]
fn the_limit_of_wall_time_can_be_lowered() {
    probe_first();
    let sleeper = || Container::new().command("/bin/sleep").arg("86400").stdin(Stdio::null());
    for container in [sleeper(), sleeper().wall_time_limit(HOUR)] {
        let limit = Duration::from_millis(200);
        let mut child = container.spawn().expect("a container");
        child.set_wall_time_limit(limit).expect("init");

        let report = child.wait_timeout(DEADLINE).expect("init").expect("an end within the deadline");

        assert_eq!((report.cause(), report.reached()), (Cause::WallTime, &[Limit::WallTime][..]));
        assert!(report.wall_time() >= limit, "{report:?}");
    }
}

#[test]
fn a_limit_that_has_passed_ends_the_container_at_once() {
    probe_first();
    let mut child = start_until_ready(sh("echo ready; exec sleep 86400"));
    child.set_wall_time_limit(Duration::from_nanos(1)).expect("init");

    let report = child.wait_timeout(DEADLINE).expect("init").expect("an end within the deadline");

    assert_eq!(report.cause(), Cause::WallTime);
}

#[test]
fn the_limit_of_wall_time_can_be_raised() {
    probe_first();
    let limited = || sh("sleep 4").wall_time_limit(Duration::from_secs(3)).stdin(Stdio::null());
    let (mut raised, mut control) =
        (limited().spawn().expect("a container"), limited().spawn().expect("another"));

    raised.set_wall_time_limit(HOUR).expect("init");

    let report = raised.wait().expect("a report");
    assert_eq!((report.cause(), report.code(), report.reached()), (Cause::Exited, Some(0), &[][..]));
    assert_eq!(control.wait().expect("a report").cause(), Cause::WallTime);
}

#[test]
fn a_limit_that_was_set_later_is_in_the_report() {
    probe_first();
    let mut child = sh("read line").stdin(Stdio::piped()).spawn().expect("a container");
    child.set_wall_time_limit(HOUR).expect("init");

    let report = child.wait().expect("a report");

    assert_eq!(enforcement(&report, Limit::WallTime).mechanism, "init");
}

#[test]
fn extra_time_holds_for_a_limit_that_was_set_later() {
    probe_first();
    let limit = Duration::from_millis(100);
    let container = sh("sleep 0.3; exit 3").wall_time_limit(HOUR).extra_time(HOUR);
    let mut child = container.stdin(Stdio::null()).spawn().expect("a container");
    child.set_wall_time_limit(limit).expect("init");

    let report = child.wait().expect("a report");

    assert_eq!((report.cause(), report.code()), (Cause::WallTime, Some(3)), "{report:?}");
}

#[test]
fn the_limit_of_cpu_time_can_be_lowered_and_raised() {
    let limit = Duration::from_secs(1);
    if !works(Feature::Limit(Limit::CpuTime), Container::new().cpu_time_limit(limit)) || !needs_program(PERL)
    {
        return;
    }
    let burner = || perl("<STDIN>; burn(2); print 'burnt'");
    let mut lowered = waiting(burner().cpu_time_limit(HOUR));
    let mut new = waiting(burner().accounting(true));
    let mut raised = waiting(burner().cpu_time_limit(limit));
    let control = waiting(burner().cpu_time_limit(limit));

    lowered.set_cpu_time_limit(limit).expect("init");
    new.set_cpu_time_limit(limit).expect("init");
    raised.set_cpu_time_limit(HOUR).expect("init");

    for ended in [lowered, new, control] {
        assert_eq!(go_to_the_end(ended), (Cause::CpuTime, String::new()));
    }
    assert_eq!(go_to_the_end(raised), (Cause::Exited, "burnt".to_owned()));
}

#[test]
fn the_weaker_limit_of_cpu_time_cannot_be_changed() {
    probe_first();
    // The rlimit that is a part of it belongs to the processes.
    let container = without_groups(waits_then("echo unharmed")).best_effort([Limit::CpuTime]);
    let mut child = waiting(container.cpu_time_limit(HOUR));

    assert_unavailable(child.set_cpu_time_limit(2 * HOUR));

    assert_eq!(go_to_the_end(child), (Cause::Exited, "unharmed".to_owned()));
}

/// Has 64 MB of memory at once, and says so.
const MEMORY: &str = "dd if=/dev/zero of=/dev/null bs=64M count=1 2> /dev/null && echo enough";
const LITTLE: u64 = 32 << 20;
const MUCH: u64 = 256 << 20;

#[test]
fn the_memory_limit_can_be_lowered_and_raised() {
    if !works(Feature::Limit(Limit::Memory), Container::new().memory_limit(MUCH)) {
        return;
    }
    let start = |limit| waiting(waits_then(MEMORY).memory_limit(limit));
    let (mut lowered, mut raised, mut both) = (start(MUCH), start(LITTLE), start(MUCH));

    lowered.set_memory_limit(LITTLE).expect("a cgroup");
    raised.set_memory_limit(MUCH).expect("a cgroup");
    for limit in [LITTLE, 2 * MUCH, LITTLE, MUCH] {
        both.set_memory_limit(limit).expect("a cgroup");
    }

    assert_eq!(go_to_the_end(lowered), (Cause::Memory, String::new()));
    assert_eq!(go_to_the_end(raised), (Cause::Exited, "enough".to_owned()));
    assert_eq!(go_to_the_end(both), (Cause::Exited, "enough".to_owned()));
    assert_eq!(go_to_the_end(start(LITTLE)), (Cause::Memory, String::new()), "the control");
}

#[test]
fn a_memory_limit_below_what_is_in_use_is_no_silent_success() {
    if !works(Feature::Limit(Limit::Memory), Container::new().memory_limit(MUCH)) {
        return;
    }
    let hold = "dd if=/dev/zero of=/tmp/file bs=1M count=64 2> /dev/null; echo ready; exec sleep 86400";
    let mut child = start_until_ready(sh(hold).memory_limit(MUCH));

    // A file in memory cannot be taken back: the kernel refuses the limit (v1), or ends the process (v2).
    match child.set_memory_limit(LITTLE) {
        Ok(()) => {
            let report = child.wait_timeout(DEADLINE).expect("init").expect("an end within the deadline");
            assert_eq!(report.cause(), Cause::Memory);
        }
        Err(error) => {
            assert_eq!((error.step(), error.raw_os_error()), ("cgroup", Some(libc::EBUSY)), "{error}");
            assert!(is_alive(child.id()), "it goes on with the limit that it had");
        }
    }
}

#[test]
fn the_limit_of_processes_can_be_lowered_and_raised() {
    if !counts_refused_processes() {
        return;
    }
    let forks = "for i in 1 2 3 4 5 6; do sleep 86400 & done; echo enough";
    let start = |limit| waiting(waits_then(forks).pids_limit(limit).stderr(Stdio::null()));
    let (mut lowered, mut raised) = (start(100), start(3));

    lowered.set_pids_limit(3).expect("a cgroup");
    raised.set_pids_limit(7).expect("a cgroup");

    assert_eq!(go_to_the_end(lowered), (Cause::Pids, String::new()));
    assert_eq!(go_to_the_end(raised), (Cause::Exited, "enough".to_owned()));
    assert_eq!(go_to_the_end(start(3)), (Cause::Pids, String::new()), "the control");
}

/// In how many periods the container was slowed down.
fn throttled(child: &Child) -> u64 {
    child.stats().expect("figures").throttled_periods.expect("a figure").value
}

#[test]
fn the_limit_of_cpus_can_be_lowered_and_raised() {
    if !works(Feature::Limit(Limit::Cpus), Container::new().cpus(1.0)) {
        return;
    }
    let mut child = waiting(waits_then(BUSY).cpus(50.0));
    go(&mut child);
    eventually("it is busy", || {
        child.stats().expect("figures").cpu_time.is_some_and(|time| time.value > Duration::from_millis(200))
    });
    assert_eq!(throttled(&child), 0, "the control");

    child.set_cpus(0.05).expect("a cgroup");

    eventually("it is slowed down", || throttled(&child) > 2);
    child.set_cpus(50.0).expect("a cgroup");
    let time = || child.stats().expect("figures").cpu_time.expect("a figure").value;
    let (before, slow) = (time(), throttled(&child));
    eventually("it is fast again", || time() > before + Duration::from_millis(300));
    // At most the period in which the limit changed, and the next.
    assert!(throttled(&child) <= slow + 2);
}

/// The contents of a file of one of the groups of a container.
#[track_caller]
fn of_group(child: &Child, files: [&str; 2]) -> String {
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).expect("its groups");
    let fields = groups.lines().map(|line| line.splitn(3, ':').skip(1).collect::<Vec<_>>());
    let directories = fields.flat_map(|fields| {
        let [top, controllers] = ["/sys/fs/cgroup".to_owned(), format!("/sys/fs/cgroup/{}", fields[0])];
        [top, controllers].map(|mount| format!("{mount}{}", fields[1]))
    });
    let mut paths = directories.flat_map(|directory| files.map(|file| Path::new(&directory).join(file)));
    let found = paths.find_map(|path| fs::read_to_string(path).ok());
    found.unwrap_or_else(|| panic!("{files:?} in {groups}")).trim().to_owned()
}

#[test]
fn the_share_of_cpu_time_can_be_changed() {
    if !works(Feature::Limit(Limit::CpuWeight), Container::new().cpu_weight(100)) {
        return;
    }
    let mut child = waiting(waits_then("true").cpu_weight(200));
    // 1024 shares of v1 are a weight of 100 of v2.
    let weight = |child: &Child| of_group(child, ["cpu.weight", "cpu.shares"]);
    let before = weight(&child);

    child.set_cpu_weight(50).expect("a cgroup");

    assert!(["200", "2048"].contains(&before.as_str()), "{before}");
    assert!(["50", "512"].contains(&weight(&child).as_str()), "{}", weight(&child));
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    probe_first();
    let mut child = waiting(waits_then("echo unharmed"));

    assert_invalid(child.set_wall_time_limit(Duration::ZERO));
    assert_invalid(child.set_wall_time_limit(Duration::MAX));
    assert_invalid(child.set_cpu_time_limit(Duration::ZERO));
    assert_invalid(child.set_memory_limit(0));
    assert_invalid(child.set_pids_limit(0));
    for cpus in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_invalid(child.set_cpus(cpus));
    }
    for weight in [0, 10_001] {
        assert_invalid(child.set_cpu_weight(weight));
    }

    assert_eq!(go_to_the_end(child), (Cause::Exited, "unharmed".to_owned()));
}

#[test]
fn what_was_not_limited_from_the_start_cannot_be_limited_later() {
    probe_first();
    let mut child = waiting(waits_then("echo unharmed"));

    assert_unavailable(child.set_cpu_time_limit(HOUR));
    assert_unavailable(child.set_memory_limit(MUCH));
    assert_unavailable(child.set_pids_limit(10));
    assert_unavailable(child.set_cpus(1.0));
    assert_unavailable(child.set_cpu_weight(100));

    assert_eq!(go_to_the_end(child), (Cause::Exited, "unharmed".to_owned()));
}

#[test]
fn after_the_end_no_limit_can_be_changed_and_the_report_stays() {
    let limited = Container::new().memory_limit(MUCH).cpus(1.0);
    for feature in [Feature::Limit(Limit::Memory), Feature::Limit(Limit::Cpus)] {
        if !works(feature, limited.clone()) {
            return;
        }
    }
    let mut child = limited.command("/bin/true").wall_time_limit(HOUR).spawn().expect("a container");
    let report = child.wait().expect("a report");

    assert_unavailable(child.set_memory_limit(MUCH));
    assert_unavailable(child.set_pids_limit(10));
    assert_unavailable(child.set_cpus(1.0));
    assert_unavailable(child.set_cpu_weight(100));
    // There is nobody to tell, and nothing to do.
    let _ = child.set_wall_time_limit(Duration::from_nanos(1));

    assert_eq!(child.wait().expect("the report"), report);
    assert_eq!(report.cause(), Cause::Exited);
}

#[test]
fn a_kill_is_known_for_one_whatever_was_said_before() {
    probe_first();
    let marker = unique_sleep();
    let container = Container::new().command("/bin/sleep").arg(&marker).share(Namespaces::PID);
    let mut child = container.stdin(Stdio::null()).spawn().expect("a container");
    eventually("it sleeps", || processes_with(&marker) == 1);
    let init = init_of(&child);
    // Init is to hear of everything when the workload has ended already.
    on_host(&format!("kill -STOP {init}"));
    eventually("init stops", || is_stopped(init));
    for hours in 1..=100 {
        child.set_wall_time_limit(HOUR * hours).expect("init");
    }

    child.kill().expect("init");

    let report = child.wait().expect("a report");
    assert_eq!((report.cause(), report.signal()), (Cause::Killed, Some(libc::SIGKILL)));
}
