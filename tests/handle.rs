//! What the handle of a running container can do, and what the report says.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam::{Cause, Child, Container, Seccomp, Stdio, SyscallGroup};
use common::helper::{is_helper, printed_by, run_helper, this_test};
use common::processes::{
    DEADLINE, eventually, init_of, is_alive, is_stopped, parent_of, processes_with, start_until_ready,
    unique_sleep,
};
use common::{make_open_dir, needs_program, on_host, output, set_mode, sh, temp_dir, text};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

fn is_readable(fd: impl AsFd, timeout: Duration) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::try_from(timeout).expect("a timeout")).expect("poll") == 1
}

#[test]
fn the_id_is_the_workloads_on_the_host() {
    let marker = unique_sleep();
    let child = Container::new().command("/bin/sleep").arg(&marker).spawn().expect("a container");

    // The kernel lets `spawn` return when the old program is gone, a moment before it shows the new one.
    let path = format!("/proc/{}/cmdline", child.id());
    let expected = format!("/bin/sleep\0{marker}\0").into_bytes();
    eventually("the arguments", || fs::read(&path).is_ok_and(|arguments| arguments == expected));
    assert_eq!(
        fs::read_to_string(format!("/proc/{}/comm", init_of(&child))).expect("init"),
        "cofferdam-init\n"
    );
}

#[test]
fn the_id_is_known_however_short_the_workload_lives() {
    for round in 0..100 {
        let mut child = Container::new().command("/bin/true").spawn().expect("a container");

        assert_ne!(child.id(), 0, "round {round}");
        child.wait().expect("a report");
    }
}

#[test]
fn the_pidfd_becomes_readable_when_the_workload_ends() {
    let mut child = sh("read line").stdin(Stdio::piped()).spawn().expect("a container");

    assert!(!is_readable(child.pidfd(), Duration::ZERO));
    drop(child.stdin.take());
    assert!(is_readable(child.pidfd(), DEADLINE));
    child.wait().expect("a report");
    assert!(is_readable(child.pidfd(), Duration::ZERO), "also after the wait");
}

#[test]
fn waiting_again_gives_the_same_report() {
    let mut child = sh("exit 3").spawn().expect("a container");

    let first = child.wait().expect("a report");

    assert_eq!(first.code(), Some(3));
    assert_eq!(child.wait().expect("the report"), first);
    assert_eq!(child.try_wait().expect("the report"), Some(first.clone()));
    assert_eq!(child.wait_timeout(Duration::ZERO).expect("the report"), Some(first));
}

#[test]
fn try_wait_tells_whether_the_container_has_ended() {
    let mut child = sh("read line").stdin(Stdio::piped()).spawn().expect("a container");

    assert_eq!(child.try_wait().expect("init"), None);
    drop(child.stdin.take());
    eventually("the end of the container", || child.try_wait().expect("init").is_some());
}

#[test]
fn wait_timeout_gives_up_and_the_container_goes_on() {
    let container = Container::new().command("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = container.spawn().expect("a container");
    let time = Duration::from_millis(60);
    let start = Instant::now();

    assert_eq!(child.wait_timeout(time).expect("init"), None);

    assert!(start.elapsed() >= time);
    child.stdin.as_mut().expect("still open").write_all(b"alive").expect("a reader");
    let output = child.wait_with_output().expect("output");
    assert_eq!(text(&output.stdout), "alive");
    assert_eq!(output.report.cause(), Cause::Exited);
}

#[test]
fn wait_timeout_returns_as_soon_as_the_container_ends() {
    let mut child = sh("exit 5").spawn().expect("a container");
    let start = Instant::now();

    let report = child.wait_timeout(Duration::from_secs(3600)).expect("init").expect("a report");

    assert_eq!(report.code(), Some(5));
    assert!(start.elapsed() < DEADLINE);
}

#[test]
fn wait_closes_standard_input_first() {
    let container = Container::new().command("/bin/cat").stdin(Stdio::piped());
    let mut child = container.stdout(Stdio::null()).spawn().expect("a container");

    assert!(child.wait().expect("cat sees the end of its input").success());
}

#[test]
fn two_full_pipes_do_not_block_each_other() {
    const SIZE: usize = 1 << 20;
    let write = format!("head -c {SIZE} /dev/zero");
    for script in [
        format!("{write}; {write} >&2"),
        format!("{write} >&2; {write}"),
        format!("{write} & {write} >&2; wait"),
        format!("exec >&-; {write} >&2"),
    ] {
        let output = output(&sh(&script));

        let expected = if script.starts_with("exec") { 0 } else { SIZE };
        assert_eq!((output.stdout.len(), output.stderr.len()), (expected, SIZE), "{script}");
        assert!(output.status.success());
    }
}

#[test]
fn kill_ends_a_workload_that_is_stopped() {
    let mut child = sh("kill -STOP $$").spawn().expect("a container");
    eventually("the workload stops", || is_stopped(child.id()));

    child.kill().expect("init");

    assert_killed(&mut child);
}

#[test]
fn kill_ends_a_workload_that_ignores_signals() {
    let mut child = start_until_ready(sh("trap '' TERM INT HUP; echo ready; exec sleep 86400"));
    child.signal(libc::SIGTERM).expect("a workload");
    child.signal(libc::SIGHUP).expect("a workload");
    assert_eq!(child.wait_timeout(Duration::from_millis(50)).expect("init"), None, "the signals are ignored");

    child.kill().expect("init");

    assert_killed(&mut child);
}

#[test]
fn kill_ends_a_workload_that_is_traced() {
    if !needs_program("/usr/bin/strace") {
        return;
    }
    let marker = unique_sleep();
    let traced = format!("grep -q 'TracerPid:.*[1-9]' /proc/$$/status && echo ready; exec sleep {marker}");
    let container =
        Container::new().command("/usr/bin/strace").args(["-f", "-o", "/tmp/trace", "/bin/sh", "-c"]);
    let container = container.seccomp(Seccomp::default().allow_group(SyscallGroup::Tracing));
    let mut child = start_until_ready(container.arg(traced));

    child.kill().expect("init");

    assert_killed(&mut child);
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn kill_ends_every_process_of_the_container() {
    let marker = unique_sleep();
    let script = format!("sleep {marker} & setsid sleep {marker} & echo ready; wait");
    let mut child = start_until_ready(sh(&script));
    eventually("both sleep", || processes_with(&marker) == 2);

    child.kill().expect("init");

    assert_killed(&mut child);
    assert_eq!(processes_with(&marker), 0);
}

#[track_caller]
fn assert_killed(child: &mut Child) {
    let report = child.wait_timeout(DEADLINE).expect("init").expect("an end within the deadline");
    assert_eq!((report.cause(), report.signal()), (Cause::Killed, Some(libc::SIGKILL)));
    assert!(!report.success() && report.code().is_none());
}

#[test]
fn kill_after_the_end_does_nothing() {
    let mut child = sh("exit 4").spawn().expect("a container");
    let report = child.wait().expect("a report");

    child.kill().expect("nothing happens");

    assert_eq!(child.wait().expect("the report"), report);
    assert_eq!(report.cause(), Cause::Exited);
}

#[test]
fn a_signal_reaches_the_workload_and_is_told_from_a_kill() {
    let mut child = Container::new().command("/bin/sleep").arg("86400").spawn().expect("a container");

    child.signal(libc::SIGTERM).expect("a workload");

    let report = child.wait().expect("a report");
    assert_eq!((report.cause(), report.signal()), (Cause::Signalled, Some(libc::SIGTERM)));
    assert_eq!(child.signal(libc::SIGTERM).expect_err("it is gone").raw_os_error(), Some(libc::ESRCH));
}

#[test]
fn a_signal_can_be_handled_by_the_workload() {
    let script = "trap 'echo handled; exit 6' USR1; echo ready; while :; do sleep 0.01; done";
    let child = start_until_ready(sh(script));

    child.signal(libc::SIGUSR1).expect("a workload");

    let output = child.wait_with_output().expect("output");
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("handled", Some(6)));
}

#[test]
fn a_signal_that_does_not_exist_is_an_error() {
    let child = Container::new().command("/bin/sleep").arg("86400").spawn().expect("a container");

    let error = child.signal(9999).expect_err("no such signal");

    assert_eq!((error.step(), error.raw_os_error()), ("signal", Some(libc::EINVAL)));
}

#[test]
fn a_dropped_handle_ends_and_reaps_everything() {
    let marker = unique_sleep();
    let script = format!("sleep {marker} & setsid sleep {marker} & echo ready; wait");
    let child = start_until_ready(sh(&script));
    eventually("both sleep", || processes_with(&marker) == 2);
    let (workload, init) = (child.id(), init_of(&child));
    assert!(is_alive(workload) && is_alive(init));

    drop(child);

    assert_eq!(processes_with(&marker), 0);
    for pid in [workload, init] {
        assert!(!is_alive(pid), "{pid}");
        assert_ne!(parent_of(pid), Some(std::process::id()), "{pid} is a zombie of this process");
    }
}

#[test]
fn a_panic_ends_the_container() {
    let marker = unique_sleep();
    let argument = marker.clone();

    let panicked = std::thread::spawn(move || {
        let container = Container::new().command("/bin/sleep").arg(&argument);
        let _child = container.spawn().expect("a container");
        eventually("it sleeps", || processes_with(&argument) == 1);
        std::panic::resume_unwind(Box::new("quietly"));
    });

    panicked.join().expect_err("the panic");
    assert_eq!(processes_with(&marker), 0);
}

/// A directory with two fifos, for a container that outlives everything that started it.
fn make_fifos(directory: &Path) {
    make_open_dir(directory);
    for name in ["in", "out"] {
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
        nix::unistd::mkfifo(&directory.join(name), mode).expect("a fifo");
        set_mode(&directory.join(name), 0o666);
    }
}

/// Opened for both, a fifo blocks nobody.
fn open_fifo(path: &Path) -> File {
    let mut open = OpenOptions::new();
    open.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path).expect("a fifo")
}

#[test]
fn helper_detaches() {
    if !is_helper("helper_detaches") {
        return;
    }
    let directory = std::env::var_os("FIFOS").expect("a directory");
    let script = "read line < /box/in; echo \"got $line\" > /box/out";
    let container = sh(script).bind_writable(directory, "/box").stdin(Stdio::null());
    let child = container.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a container");
    let init = init_of(&child);
    if std::env::var_os("STOP_INIT").is_some() {
        // Init is to hear of the detachment and of the end of the host at once.
        on_host(&format!("kill -STOP {init}"));
        eventually("init stops", || is_stopped(init));
    }
    child.detach().expect("init");
    println!("INIT {init}");
}

/// Runs a host that detaches a container and ends, then talks to the container.
#[track_caller]
fn detach_and_ask(stop_init: bool) {
    let directory = temp_dir();
    let fifos = directory.path().join("box");
    make_fifos(&fifos);
    let (mut input, mut answer) = (open_fifo(&fifos.join("in")), open_fifo(&fifos.join("out")));
    let mut host = this_test("helper_detaches");
    host.env("FIFOS", &fifos).envs(stop_init.then_some(("STOP_INIT", "1")));

    let told = printed_by(&mut host, "helper_detaches");
    let init = told.lines().find_map(|line| line.split_once("INIT ")?.1.parse().ok());
    let init: u32 = init.expect("init's number");
    if stop_init {
        on_host(&format!("kill -CONT {init}"));
    }
    input.write_all(b"this\n").expect("room in the fifo");

    assert!(is_readable(&answer, DEADLINE), "nobody answered");
    let mut buffer = [0; 64];
    let count = answer.read(&mut buffer).expect("the answer");
    assert_eq!(text(&buffer[..count]), "got this");
    eventually("init has ended", || !is_alive(init));
}

#[test]
fn a_detached_container_goes_on_after_the_handle_and_the_host() {
    detach_and_ask(false);
}

#[test]
fn a_detached_container_goes_on_when_init_hears_of_it_only_after_the_hosts_end() {
    detach_and_ask(true);
}

#[test]
fn exit_codes_arrive_as_they_are() {
    for code in [0, 1, 2, 42, 125, 126, 127, 128, 137, 255] {
        let report = output(&sh(&format!("exit {code}"))).report;

        assert_eq!((report.code(), report.signal()), (Some(code), None));
        assert_eq!((report.cause(), report.success()), (Cause::Exited, code == 0));
    }
}

#[test]
fn output_status_and_report_agree() {
    let output = output(&sh("exit 9"));

    assert_eq!(output.status, output.report.status());
    assert_eq!(sh("exit 9").status().expect("a container"), output.status);
}

#[test]
fn wall_time_counts_a_sleep_and_cpu_time_does_not() {
    let start = Instant::now();

    let report = output(&sh("sleep 1")).report;

    assert!(report.wall_time() >= Duration::from_secs(1), "{report:?}");
    assert!(report.wall_time() <= start.elapsed(), "{report:?}");
    // The rest of the time the two programs started, which takes long where a machine is emulated.
    assert!(report.cpu_time() < report.wall_time() / 2, "{report:?}");
}

#[test]
fn cpu_time_counts_a_busy_loop_of_a_child_too() {
    let busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let in_a_child = format!("sh -c '{busy}'; true");

    for script in [busy, &in_a_child] {
        let report = output(&sh(script)).report;

        assert!(report.cpu_time() >= Duration::from_millis(5), "{report:?}");
        assert!(report.user_time() > report.system_time(), "{report:?}");
        assert_eq!(report.cpu_time(), report.user_time() + report.system_time());
        // One thread cannot use more time than there is; the clocks tick differently.
        assert!(report.cpu_time() <= report.wall_time() + Duration::from_millis(20), "{report:?}");
    }
}

#[test]
fn helper_with_much_memory() {
    if !is_helper("helper_with_much_memory") {
        return;
    }
    let heap = std::hint::black_box(vec![1u8; 256 << 20]);

    let report = output(&Container::new().command("/bin/true")).report;

    assert!(report.memory_peak() < 32 << 20, "{report:?}");
    assert!(report.memory_peak() > 64 << 10, "{report:?}");
    let used = output(&Container::new().command("/bin/dd").args([
        "if=/dev/zero",
        "of=/dev/null",
        "bs=64M",
        "count=1",
    ]));
    assert!((64 << 20..128 << 20).contains(&used.report.memory_peak()), "the control: {:?}", used.report);
    assert_eq!(heap[heap.len() / 2], 1);
}

#[test]
fn peak_memory_is_the_workloads_own_and_not_the_hosts() {
    run_helper("helper_with_much_memory");
}

#[test]
fn nothing_of_set_up_counts_as_wall_time() {
    let reports: Vec<_> = (0..5).map(|_| output(&Container::new().command("/bin/true")).report).collect();
    let fastest = reports.iter().map(|report| report.wall_time()).min().expect("five runs");

    assert!(fastest > Duration::ZERO);
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[test]
fn a_descriptor_that_was_given_is_held_by_nobody_but_the_workload() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let container = sh("echo said; exec >&-; exec sleep 1000").stdout(std::os::fd::OwnedFd::from(writer));
    let child = container.spawn().expect("a container");
    drop(container);

    let mut said = String::new();
    reader.read_to_string(&mut said).expect("the end, while the workload runs on");

    assert_eq!(said, "said\n");
    drop(child);
}
