//! The handle for tasks of the Tokio runtime: the same promises as the blocking one's, no thread that waits, and
//! nothing left where a future is dropped.

mod common;

use std::fs;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cofferdam::tokio::{Child, Notifier};
use cofferdam::{
    Cause, Command, Container, Error, ErrorKind, Feature, Limit, Namespaces, Output, Pool, Report, Seccomp,
    Stdio,
};
use common::calls::{has_perl, perl};
use common::helper::{is_helper, run_helper};
use common::limits::{allows, can_account, probe_first};
use common::processes::{
    ProcessState, children_of, is_alive, is_stopped, own_cgroups, processes_with, unique_sleep,
};
use common::tasks::{eventually, many_threads, one_thread, polled};
use common::{namespace_of_host, on_host, sh, text};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::runtime::Builder;

/// Runs a task on either flavour of the runtime.
fn on_both(task: impl AsyncFn()) {
    one_thread().block_on(task());
    many_threads().block_on(task());
}

fn sleeper() -> Container {
    Container::new().command("sleep").arg("86400").stdin(Stdio::null())
}

async fn start(container: &Container) -> Child {
    container.spawn_async().await.expect("a container")
}

async fn next_line(pipe: &mut pipe::Receiver) -> String {
    let mut line = String::new();
    BufReader::with_capacity(1, pipe).read_line(&mut line).await.expect("a line");
    line.trim_end_matches('\n').to_owned()
}

/// Starts a script and waits for its first line, `ready`.
async fn start_until_ready(container: Container) -> Child {
    let mut child = start(&container.stdin(Stdio::null()).stdout(Stdio::piped())).await;
    assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")).await, "ready");
    child
}

// Running

#[test]
fn a_program_runs_to_its_end_on_either_runtime() {
    let script = sh("read line; echo \"out $line\"; echo err >&2; exit 7");
    let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());

    on_both(async || {
        let mut child = start(&script).await;
        child.stdin.as_mut().expect("a pipe").write_all(b"word\n").await.expect("a reader");
        let output = child.wait_with_output().await.expect("output");

        assert_eq!((text(&output.stdout), text(&output.stderr)), ("out word".into(), "err".into()));
        assert_eq!((output.status.code(), output.report.cause()), (Some(7), Cause::Exited));
        assert_eq!(sh("exit 3").status_async().await.expect("a container").code(), Some(3));
    });
}

#[test]
fn output_and_its_default_streams_are_those_of_the_blocking_call() {
    let container = sh("wc -c; echo err >&2; exit 2");
    let blocking = container.output().expect("a container");

    on_both(async || {
        let output = container.output_async().await.expect("a container");
        assert_eq!((&output.stdout, &output.stderr), (&blocking.stdout, &blocking.stderr));
        assert_eq!((output.status, output.report.cause()), (blocking.status, blocking.report.cause()));
    });
    assert_eq!(text(&blocking.stdout), "0");
}

#[test]
fn tasks_of_many_threads_run_containers() {
    async fn run(number: u32) -> (u32, Output) {
        let container = Container::new().command("echo").arg(number.to_string());
        (number, container.output_async().await.expect("a container"))
    }
    many_threads().block_on(async {
        let tasks: Vec<_> = (0..40).map(|number| tokio::spawn(run(number))).collect();
        for task in tasks {
            let (number, output) = task.await.expect("no panic");
            assert_eq!(text(&output.stdout), number.to_string());
        }
    });
}

#[test]
fn a_plan_that_no_socket_buffer_holds_arrives() {
    let arguments = vec!["x".repeat(100_000); 12];
    let container = Container::new().command("sh").args(["-c", "echo $#", "sh"]).args(&arguments);

    on_both(async || {
        let output = container.output_async().await.expect("a container");
        assert_eq!(text(&output.stdout), "12");
    });
}

#[test]
fn errors_are_those_of_the_blocking_call() {
    let containers = [
        Container::new().command("/no/such/program"),
        Container::new().command("true").rootfs("/no/such/root"),
        Container::new().command("true").current_dir("/no/such/directory"),
        Container::new().command("true").output_limit(1),
    ];
    on_both(async || {
        for container in &containers {
            let container = container.clone().stdout(Stdio::null()).stderr(Stdio::null());
            let error = container.spawn_async().await.expect_err("an error").to_string();
            assert_eq!(error, container.spawn().expect_err("an error").to_string());
        }
    });
}

#[test]
fn outside_a_runtime_it_is_an_error() {
    fn assert_no_runtime(error: &Error) {
        assert_eq!((error.kind(), error.step()), (ErrorKind::Failed, "runtime"), "{error}");
        assert!(error.remedy().is_some(), "{error}");
    }
    let sleep = unique_sleep();
    let sleeper = Container::new().command("sleep").arg(&sleep);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());

    let Poll::Ready(result) = pin!(sleeper.spawn_async()).poll(&mut context) else { panic!("it waits") };
    assert_no_runtime(&result.expect_err("an error"));
    let child = sleeper.spawn().expect("a container");
    assert_eq!(processes_with(&sleep), 1, "the control");
    assert_no_runtime(&Child::try_from(child).expect_err("an error"));
    assert_eq!(processes_with(&sleep), 0);
}

#[test]
fn futures_and_handles_move_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    fn moves<T: Send>(_: &T) {}
    is_shared::<Child>();
    is_shared::<Notifier>();
    let container = sleeper();
    moves(&container.spawn_async());
    moves(&container.status_async());
    moves(&container.output_async());
}

// Waiting

#[test]
fn a_wait_that_was_dropped_loses_nothing() {
    on_both(async || {
        let script = sh("echo ready; read line; exit 5").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = start(&script).await;
        // Waiting closes standard input.
        let mut stdin = child.stdin.take().expect("a pipe");
        for _ in 0..3 {
            assert!(!polled(1, child.wait()).await, "it waits for a line");
        }
        assert!(child.try_wait().expect("no error").is_none());
        assert!(is_alive(child.id()));

        stdin.write_all(b"\n").await.expect("a reader");
        let report = child.wait().await.expect("a report");

        assert_eq!((report.cause(), report.code()), (Cause::Exited, Some(5)));
        assert_eq!(child.wait().await.expect("a report"), report);
        assert_eq!(child.try_wait().expect("no error"), Some(report.clone()));
        assert_eq!(child.stats().expect("figures"), *report.usage());
    });
}

#[test]
fn a_wait_can_be_dropped_after_any_poll() {
    one_thread().block_on(async {
        let mut child = start(&sh("exit 4").stdin(Stdio::null())).await;
        eventually("a wait of one poll is ready", || {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            pin!(child.wait()).poll(&mut context).is_ready()
        })
        .await;
        assert_eq!(child.wait().await.expect("a report").code(), Some(4));
    });
}

#[test]
fn whoever_waits_closes_standard_input() {
    let cat = Container::new().command("cat").stdin(Stdio::piped());
    on_both(async || {
        assert!(start(&cat).await.wait().await.expect("a report").success());
        assert!(start(&cat).await.wait_with_output().await.expect("output").status.success());
    });
}

#[test]
fn try_wait_sees_the_end() {
    on_both(async || {
        let mut child = start(&sh("exit 6").stdin(Stdio::null())).await;
        let mut report = None;
        eventually("a report", || {
            report = child.try_wait().expect("no error");
            report.is_some()
        })
        .await;
        assert_eq!(report.as_ref().and_then(Report::code), Some(6));
        assert_eq!(child.wait().await.ok(), report);
    });
}

#[test]
fn an_init_that_was_killed_leaves_an_error_and_no_process() {
    on_both(async || {
        let mut child = start(&sleeper()).await;
        let init = common::processes::parent_of(child.id()).expect("init");
        on_host(&format!("kill -KILL {init}"));

        for _ in 0..2 {
            let error = child.wait().await.expect_err("no report");
            assert_eq!((error.step(), error.kind()), ("wait", ErrorKind::Failed), "{error}");
        }
        assert!(common::processes::process(init).is_none(), "it was reaped");
    });
}

#[test]
fn an_init_that_the_workload_stops_goes_on() {
    let script = sh("kill -STOP $PPID; echo ready; exit 3").share(Namespaces::PID);
    on_both(async || {
        let mut child = start_until_ready(script.clone()).await;
        assert_eq!(child.wait().await.expect("a report").code(), Some(3));

        let output = script.output_async().await.expect("a container");
        assert_eq!((text(&output.stdout), output.status.code()), ("ready".into(), Some(3)));
    });
}

#[test]
fn without_a_pid_namespace_a_dropped_container_ends_too() {
    let sleep = unique_sleep();
    let script = format!("kill -STOP $PPID; setsid sleep {sleep} & echo ready; exec sleep {sleep}");
    on_both(async || {
        let child = start_until_ready(sh(&script).share(Namespaces::PID)).await;
        eventually("both run", || processes_with(&sleep) == 2).await;
        drop(child);
        eventually("neither runs", || processes_with(&sleep) == 0).await;
    });
}

// Output

#[test]
fn as_many_bytes_as_the_limit_pass_and_one_more_does_not() {
    let bytes = |count: u64| Container::new().command("head").args(["-c", &count.to_string(), "/dev/zero"]);
    on_both(async || {
        // At, below and above what a pipe holds and what is read in one turn.
        for limit in [0, 1, 65_536, 65_537, 262_143, 262_144, 262_145, 1_000_000] {
            let within = bytes(limit).output_limit(limit).output_async().await.expect("a container");
            let beyond = bytes(limit + 1).output_limit(limit).output_async().await.expect("a container");

            assert_eq!((within.report.cause(), within.stdout.len() as u64), (Cause::Exited, limit));
            assert_eq!((beyond.report.cause(), beyond.stdout.len() as u64), (Cause::Output, limit));
            assert_eq!(beyond.report.reached(), [Limit::Output]);
        }
        let control = bytes(1_000_001).output_async().await.expect("a container");
        assert_eq!(control.stdout.len(), 1_000_001);
    });
}

#[test]
fn both_streams_are_read_at_once_and_count_together() {
    let both = |count| sh(&format!("head -c {count} /dev/zero; head -c {count} /dev/zero >&2"));
    on_both(async || {
        let all = both(300_000).output_async().await.expect("a container");
        let beyond = both(501).output_limit(1000).output_async().await.expect("a container");

        assert_eq!((all.stdout.len(), all.stderr.len()), (300_000, 300_000));
        assert_eq!((beyond.report.cause(), beyond.stdout.len() + beyond.stderr.len()), (Cause::Output, 1000));
    });
}

#[test]
fn what_a_workload_wrote_last_is_read_though_the_pipe_stays_open_elsewhere() {
    // Another process of the host has the writing end open, and keeps it.
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    let child = sh("echo last").stdin(Stdio::null()).stdout(writer.try_clone().expect("a descriptor"));
    one_thread().block_on(async {
        let mut child = child.spawn().expect("a container");
        child.stdout = Some(reader.into());
        let output = Child::try_from(child).expect("a runtime").wait_with_output().await.expect("output");
        assert_eq!(text(&output.stdout), "last");
    });
    drop(writer);
}

#[test]
fn all_is_read_that_an_ended_workload_left_in_a_large_pipe() {
    const LARGE: usize = 1 << 20;
    on_both(async || {
        let script = sh("read line; head -c 1048576 /dev/zero").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = start(&script).await;
        let pipe = child.stdout.as_ref().expect("a pipe");
        nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(LARGE as i32)).expect("a large pipe");
        drop(child.stdin.take());
        eventually("it has ended", || child.try_wait().expect("no error").is_some()).await;
        assert_eq!(child.wait_with_output().await.expect("output").stdout.len(), LARGE);
    });
}

#[test]
fn a_program_that_never_stops_writing_leaves_others_their_turn() {
    one_thread().block_on(async {
        let endless = sh("yes & yes >&2").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let endless = start(&endless.output_limit(1 << 40)).await;
        let others = async {
            for _ in 0..5 {
                assert!(sh("true").status_async().await.expect("a container").success());
            }
        };
        let mut reading = pin!(endless.wait_with_output());
        let mut others = pin!(others);
        poll_fn(|context| {
            assert!(reading.as_mut().poll(context).is_pending(), "it never stops");
            others.as_mut().poll(context)
        })
        .await;
    });
}

// Ending, watching and changing

#[test]
fn it_is_killed_and_signalled() {
    on_both(async || {
        let mut killed = start(&sleeper()).await;
        killed.kill().expect("init");
        let report = killed.wait().await.expect("a report");
        assert_eq!((report.cause(), report.signal()), (Cause::Killed, Some(libc::SIGKILL)));
        killed.kill().expect("nothing to do");

        let mut signalled = start(&sleeper()).await;
        signalled.signal(libc::SIGTERM).expect("a workload");
        let report = signalled.wait().await.expect("a report");
        assert_eq!((report.cause(), report.signal()), (Cause::Signalled, Some(libc::SIGTERM)));
    });
}

#[test]
fn it_is_paused_and_resumed() {
    probe_first();
    on_both(async || {
        let child = start_until_ready(sh("echo ready; exec sleep 86400")).await;
        child.pause().await.expect("a container");
        eventually("it stands still", || is_stopped(child.id())).await;
        child.resume().await.expect("a container");
        eventually("it goes on", || !is_stopped(child.id())).await;
    });
}

#[test]
fn a_frozen_container_stands_still_and_goes_on() {
    if !can_account() {
        return;
    }
    on_both(async || {
        let script = sh("echo ready; while read line; do echo $line; done").accounting(true);
        let mut child = start(&script.stdin(Stdio::piped()).stdout(Stdio::piped())).await;
        let (mut stdin, mut stdout) =
            (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        assert_eq!(next_line(&mut stdout).await, "ready");

        child.pause().await.expect("a container");
        stdin.write_all(b"word\n").await.expect("a pipe");
        // Whoever drops it has not resumed it.
        polled(1, child.pause()).await;
        child.resume().await.expect("a container");
        assert_eq!(next_line(&mut stdout).await, "word");
        drop(stdin);
        assert!(child.wait().await.expect("a report").success());
    });
}

#[test]
fn its_limits_are_changed() {
    probe_first();
    on_both(async || {
        let mut child = start(&sleeper()).await;
        child.set_wall_time_limit(Duration::from_millis(100)).expect("init");
        let report = child.wait().await.expect("a report");
        assert_eq!((report.cause(), report.reached()), (Cause::WallTime, &[Limit::WallTime][..]));
        let error = child.set_wall_time_limit(Duration::ZERO).expect_err("no time");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    });
}

#[test]
fn limits_that_were_not_set_cannot_be_changed() {
    probe_first();
    one_thread().block_on(async {
        let mut child = start(&sleeper()).await;
        let results = [
            child.set_memory_limit(1 << 30),
            child.set_pids_limit(10),
            child.set_cpus(1.0),
            child.set_cpu_weight(10),
        ];
        for result in results {
            assert_eq!(result.expect_err("no group").kind(), ErrorKind::LimitUnavailable);
        }
        assert!(child.set_cpu_time_limit(Duration::from_secs(9)).is_err());
    });
}

#[test]
fn its_processes_and_namespaces_are_those_of_the_workload() {
    on_both(async || {
        let child = start_until_ready(sh("echo ready; exec sleep 86400").hostname("first")).await;
        assert!(is_alive(child.id()));
        let uts = fs::read_link(format!("/proc/{}/ns/uts", child.id())).expect("a namespace");
        assert_ne!(uts.to_string_lossy(), namespace_of_host("uts"));
        let joined = sh("uname -n").join(Namespaces::USER | Namespaces::UTS, &child);
        assert_eq!(text(&joined.output_async().await.expect("a container").stdout), "first");
        let pidfd =
            fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&child.pidfd())));
        assert!(pidfd.expect("a descriptor").to_string_lossy().contains("pidfd"));
    });
}

#[test]
fn a_detached_container_goes_on() {
    on_both(async || {
        let sleep = unique_sleep();
        let child = start_until_ready(sh(&format!("echo ready; exec sleep {sleep}"))).await;
        let (workload, init) = (child.id(), common::processes::parent_of(child.id()).expect("init"));
        child.pause().await.expect("a container");
        child.detach().await.expect("init");
        tokio::task::yield_now().await;
        assert!(is_alive(workload) && is_alive(init));
        eventually("it goes on", || !is_stopped(workload)).await;
        on_host(&format!("kill -KILL {init}"));
        eventually("it has ended", || !is_alive(workload)).await;
    });
}

// From one handle to the other

#[test]
fn the_handles_turn_into_each_other() {
    let script = sh("echo ready; read line; echo $line; read line; echo $line");
    let script = script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().expect("a container");
    assert_eq!(common::processes::next_line(child.stdout.as_mut().expect("a pipe")), "ready");

    let child = one_thread().block_on(async {
        let mut child = Child::try_from(child).expect("a runtime");
        child.stdin.as_mut().expect("a pipe").write_all(b"one\n").await.expect("a reader");
        assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")).await, "one");
        assert!(!polled(1, async { child.stdout.as_mut().expect("a pipe").read_u8().await }).await);
        child
    });

    // The runtime is gone.
    let mut child = child.into_blocking().expect("a handle");
    let stdout = child.stdout.as_mut().expect("a pipe");
    let reading = std::thread::scope(|scope| {
        let reader = scope.spawn(|| common::processes::next_line(stdout));
        child.stdin.as_mut().expect("a pipe").write_all(b"two\n").expect("a reader");
        reader.join().expect("no panic")
    });
    assert_eq!(reading, "two");
    assert!(child.wait().expect("a report").success());
}

#[test]
fn pipes_of_the_blocking_handle_block_again() {
    let child = sh("sleep 0.1; echo late").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = one_thread().block_on(async { start(&child).await.into_blocking().expect("a handle") });
    let mut late = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut late).expect("it waits");
    assert_eq!(late, "late\n");
}

#[test]
fn a_handle_that_has_waited_keeps_its_report() {
    one_thread().block_on(async {
        let mut child = start(&sh("exit 9").stdin(Stdio::null())).await;
        let report = child.wait().await.expect("a report");
        let mut child = child.into_blocking().expect("a handle");
        assert_eq!(child.wait().expect("a report"), report);
        let mut child = Child::try_from(child).expect("a runtime");
        assert_eq!(child.wait().await.expect("a report"), report);
    });
}

// Calls that the host program decides on

fn calls(script: &str) -> Container {
    perl(script).seccomp(Seccomp::default().notify(["getpgid"])).stdin(Stdio::null()).stdout(Stdio::piped())
}

#[test]
fn calls_are_awaited_and_answered() {
    if !has_perl() {
        return;
    }
    on_both(async || {
        let mut child = start(&calls("say syscall(SYS(getpgid), $_) for 1..3")).await;
        let notifier = child.notifier.take().expect("a notifier");
        let mut seen = Vec::new();
        while let Some(call) = notifier.next().await.expect("no error") {
            seen.push(call.arguments()[0]);
            call.succeed(seen.len() as i64 * 10).expect("it waits");
        }
        assert_eq!(seen, [1, 2, 3]);
        assert_eq!(text(&child.wait_with_output().await.expect("output").stdout), "10\n20\n30");
    });
}

#[test]
fn a_wait_for_calls_that_was_dropped_takes_none() {
    if !has_perl() {
        return;
    }
    one_thread().block_on(async {
        let script = "say 'ready'; my $line = <STDIN>; say syscall(SYS(getpgid), 1)";
        let mut child = start(&calls(script).stdin(Stdio::piped())).await;
        let notifier = child.notifier.take().expect("a notifier");
        assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")).await, "ready");
        for _ in 0..3 {
            assert!(!polled(1, notifier.next()).await);
        }
        child.stdin.as_mut().expect("a pipe").write_all(b"\n").await.expect("a reader");
        notifier.next().await.expect("no error").expect("a call").succeed(77).expect("it waits");
        assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")).await, "77");
        assert!(notifier.next().await.expect("no error").is_none());
        assert!(notifier.next().await.expect("no error").is_none());
    });
}

#[test]
fn tasks_share_the_calls_of_many_processes() {
    if !has_perl() {
        return;
    }
    const CALLERS: usize = 20;
    let script = format!(
        "for (1..{CALLERS}) {{ next if fork; syscall(SYS(getpgid), 1) == 5 or exit 1; exit 0 }}
         my $bad = 0; while (wait() > 0) {{ $bad++ if $? }} exit $bad"
    );
    many_threads().block_on(async {
        let mut child = start(&calls(&script)).await;
        let notifier = std::sync::Arc::new(child.notifier.take().expect("a notifier"));
        let serve = |notifier: std::sync::Arc<Notifier>| async move {
            let mut count = 0;
            while let Some(call) = notifier.next().await.expect("no error") {
                call.succeed(5).expect("it waits");
                count += 1;
            }
            count
        };
        let tasks: Vec<_> = (0..3).map(|_| tokio::spawn(serve(notifier.clone()))).collect();
        let mut served = 0;
        for task in tasks {
            served += task.await.expect("no panic");
        }
        assert_eq!((served, child.wait().await.expect("a report").code()), (CALLERS, Some(0)));
    });
}

#[test]
fn waiting_drops_a_notifier_that_nobody_took() {
    if !has_perl() {
        return;
    }
    on_both(async || {
        let script = calls("exit(call(SYS(getpgid), 1) == 38 ? 0 : 1)");
        assert!(start(&script).await.wait().await.expect("a report").success());
        assert!(script.output_async().await.expect("output").status.success());
    });
}

#[test]
fn a_notifier_serves_threads_too() {
    if !has_perl() {
        return;
    }
    one_thread().block_on(async {
        let child = start(&calls("say syscall(SYS(getpgid), 1)")).await;
        let mut child = child.into_blocking().expect("a handle");
        let notifier = child.notifier.take().expect("a notifier");
        notifier.next().expect("no error").expect("a call").succeed(6).expect("it waits");
        assert_eq!(text(&child.wait_with_output().expect("output").stdout), "6");
    });
}

// Nothing is left. What looks at a whole process has one to itself.

/// With cgroups, where this host allows them.
fn limited(container: Container) -> Container {
    let can = [Limit::Memory, Limit::Pids].iter().all(|limit| allows(Feature::Limit(*limit)));
    if can { container.memory_limit(64 << 20).pids_limit(32) } else { container }
}

/// What is left of everything that could be: processes, cgroups, descriptors, threads, mounts.
async fn nothing_but(before: &ProcessState) {
    eventually("nothing is left", || ProcessState::now() == *before && own_cgroups().is_empty()).await;
}

#[test]
fn helper_that_drops_futures() {
    if !is_helper("helper_that_drops_futures") {
        return;
    }
    let container = limited(sh("cat; echo out; exec sleep 0.01")).stdin(Stdio::null()).file("/tmp/file", "x");
    one_thread().block_on(async {
        container.output_async().await.expect("a container");
        let before = ProcessState::now();
        let mut polls = 0;
        loop {
            polls += 1;
            let ready = polled(polls, container.output_async()).await;
            nothing_but(&before).await;
            if ready {
                break;
            }
        }
        assert!(polls > 2, "{polls}");
        // Nothing but the drop ends these.
        let container = limited(sleeper());
        for polls in 1..10 {
            polled(polls, container.spawn_async()).await;
        }
        nothing_but(&before).await;
    });
}

#[test]
fn a_future_that_is_dropped_at_any_moment_leaves_nothing() {
    run_helper("helper_that_drops_futures");
}

#[test]
fn helper_that_drops_handles() {
    if !is_helper("helper_that_drops_handles") {
        return;
    }
    let start = async || limited(sleeper()).spawn_async().await.expect("a container");
    one_thread().block_on(async {
        drop(start().await);
    });
    let before = ProcessState::now();
    assert_eq!((before.children.len(), own_cgroups().len()), (0, 0), "the end of the runtime waited");

    one_thread().block_on(async {
        let child = start().await;
        let within = ProcessState::now();
        assert_eq!(within.children.len(), 1, "the control");
        let error = limited(Container::new().command("/no/such/program")).spawn_async().await.map(drop);
        assert_eq!(error.expect_err("no program").step(), "exec");
        assert_eq!(ProcessState::now(), within, "an error comes when nothing is left");
        let workload = child.id();
        drop(child);
        assert_eq!(children_of(std::process::id()).len(), 1, "the drop does not wait for the end");
        eventually("it has ended", || !is_alive(workload)).await;
        drop(limited(sh("exit 1")).spawn_async().await);
        eventually("no child", || children_of(std::process::id()).is_empty() && own_cgroups().is_empty())
            .await;
    });
    let child = one_thread().block_on(start());
    assert_eq!(children_of(std::process::id()).len(), 1);
    drop(child);

    assert_eq!(ProcessState::now(), before);
    assert_eq!(own_cgroups(), Vec::<String>::new());
}

#[test]
fn a_handle_that_is_dropped_in_a_runtime_or_after_it_leaves_nothing() {
    run_helper("helper_that_drops_handles");
}

#[test]
fn helper_without_input_and_output() {
    if !is_helper("helper_without_input_and_output") {
        return;
    }
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let container = limited(sleeper());
    let start = || runtime.block_on(container.spawn_async()).map(drop);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(start));
    assert!(panicked.is_err(), "Tokio refuses");
    assert_eq!((children_of(std::process::id()).len(), own_cgroups().len()), (0, 0));
}

#[test]
fn a_runtime_that_watches_nothing_leaves_nothing() {
    run_helper("helper_without_input_and_output");
}

#[test]
fn helper_with_a_hundred_containers() {
    if !is_helper("helper_with_a_hundred_containers") {
        return;
    }
    const COUNT: usize = 100;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 2000, 2000).expect("a limit");
    let script =
        sh("echo ready; read line; echo \"$line $line\"").stdin(Stdio::piped()).stdout(Stdio::piped());
    one_thread().block_on(async {
        drop(start(&script).await);
        eventually("no child", || children_of(std::process::id()).is_empty()).await;
        let before = ProcessState::now();
        let mut tasks = Vec::new();
        for number in 0..COUNT {
            let script = script.clone();
            tasks.push(tokio::spawn(async move {
                let mut child = start(&script).await;
                assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")).await, "ready");
                (number, child)
            }));
        }
        let mut children = Vec::new();
        for task in tasks {
            children.push(task.await.expect("no panic"));
        }
        let within = ProcessState::now();
        assert_eq!((within.children.len(), &within.threads), (COUNT, &before.threads));
        let status = fs::read_to_string("/proc/self/status").expect("status");
        // The harness's own two.
        assert!(status.lines().any(|line| line == "Threads:\t2" || line == "Threads:\t1"), "{status}");

        let mut tasks = Vec::new();
        for (number, mut child) in children {
            tasks.push(tokio::spawn(async move {
                let line = format!("{number}\n");
                child.stdin.as_mut().expect("a pipe").write_all(line.as_bytes()).await.expect("a reader");
                let output = child.wait_with_output().await.expect("output");
                assert_eq!(text(&output.stdout), format!("{number} {number}"));
            }));
        }
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(ProcessState::now().threads, before.threads);
        nothing_but(&before).await;
    });
}

#[test]
fn a_hundred_containers_at_once_need_no_thread() {
    run_helper("helper_with_a_hundred_containers");
}

#[test]
fn helper_without_descriptors() {
    if !is_helper("helper_without_descriptors") {
        return;
    }
    one_thread().block_on(async {
        drop(start(&sleeper()).await);
        eventually("no child", || children_of(std::process::id()).is_empty()).await;
        let before = ProcessState::now();
        let container = sh("exec sleep 86400").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut failures = 0;
        for room in 0..40 {
            let limit = before.descriptors.len() as u64 + room;
            nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, limit, 4096)
                .expect("a limit");
            let result = container.spawn_async().await;
            nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 4096, 4096)
                .expect("a limit");
            failures += usize::from(result.is_err());
            drop(result);
            nothing_but(&before).await;
        }
        assert!((1..40).contains(&failures), "{failures}");
    });
}

#[test]
fn a_start_for_which_descriptors_run_out_leaves_nothing() {
    run_helper("helper_without_descriptors");
}

// Runs in a pool

#[test]
fn runs_in_a_pool_are_awaited_and_their_slot_is_used_again() {
    let pool = std::sync::Arc::new(Pool::new(&Container::new(), 1).expect("a pool"));
    let command = |script: &str| Command::new("sh").args(["-c", script]).stdin(Stdio::null());
    on_both(async || {
        let child = pool.spawn(&command("exec sleep 86400")).expect("a run");
        let mut child = Child::try_from(child).expect("a runtime");
        assert!(!polled(1, child.wait()).await);
        assert!(child.try_wait().expect("no error").is_none());
        child.kill().expect("init");
        let report = child.wait().await.expect("a report");
        assert_eq!(report.cause(), Cause::Killed);

        // The first handle is still there, and its slot in use again.
        let second = pool.spawn(&command("echo out; exit 3").stdout(Stdio::piped())).expect("a run");
        let output = Child::try_from(second).expect("a runtime").wait_with_output().await.expect("output");
        assert_eq!((text(&output.stdout), output.status.code()), ("out".into(), Some(3)));
        assert_eq!(child.wait().await.expect("a report"), report);

        let third = Child::try_from(pool.spawn(&command("exec sleep 86400")).expect("a run"));
        let workload = third.as_ref().expect("a runtime").id();
        drop(third);
        eventually("it has ended", || !is_alive(workload)).await;
        let fourth = pool.spawn(&command("exit 4")).expect("a run");
        assert_eq!(
            Child::try_from(fourth).expect("a runtime").wait().await.expect("a report").code(),
            Some(4)
        );
    });
}
