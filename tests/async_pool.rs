//! A pool and further commands in tasks: threads and tasks share it, no thread waits, and whatever is dropped, the
//! pool still has all its slots.

mod common;

use std::fs;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cofferdam::tokio::{Child, Exec};
use cofferdam::{Cause, Command, Container, ErrorKind, Feature, Limit, Pool, Stdio};
use common::helper::{is_helper, run_helper};
use common::limits::{allows, probe_first};
use common::processes::{ProcessState, is_alive, own_cgroups, processes_with, unique_sleep};
use common::tasks::{eventually, many_threads, one_thread, polled};
use common::text;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

fn pool(container: &Container, slots: usize) -> Arc<Pool> {
    probe_first();
    Arc::new(Pool::new(container, slots).expect("a pool"))
}

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

/// A run that ends when its standard input does.
fn reader() -> Command {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null())
}

/// All slots run something at once, and one more has to wait.
async fn has_slots(pool: &Pool, count: usize) {
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(pool.spawn_async(&reader()).await.expect("a run"));
    }
    let command = reader();
    let mut waiting = pin!(pool.spawn_async(&command));
    poll_fn(|context| {
        assert!(waiting.as_mut().poll(context).is_pending(), "there is no further slot");
        Poll::Ready(())
    })
    .await;
    for mut run in runs {
        assert!(run.wait().await.expect("a report").success());
    }
    assert!(waiting.await.expect("a slot").wait().await.expect("a report").success());
}

#[test]
fn many_tasks_of_one_thread_share_two_slots() {
    let pool = pool(&Container::new(), 2);
    one_thread().block_on(async {
        let run = async |pool: Arc<Pool>, number: u32| {
            let output = pool.output_async(&sh(&format!("echo {number} >/tmp/x; cat /tmp/*"))).await;
            assert_eq!(text(&output.expect("a run").stdout), number.to_string());
        };
        let tasks: Vec<_> = (0..40).map(|number| tokio::spawn(run(pool.clone(), number))).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        has_slots(&pool, 2).await;
    });
}

#[test]
fn threads_and_tasks_share_a_pool() {
    let pool = pool(&Container::new(), 2);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..15 {
                    assert!(pool.run(&sh("exit 0").stdin(Stdio::null())).expect("a run").success());
                }
            });
        }
        for runtime in [one_thread(), many_threads()] {
            let pool = pool.clone();
            scope.spawn(move || {
                runtime.block_on(async {
                    let run = async |pool: Arc<Pool>| {
                        for _ in 0..5 {
                            let report = pool.run_async(&sh("exit 0").stdin(Stdio::null())).await;
                            assert!(report.expect("a run").success());
                        }
                    };
                    let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(run(pool.clone()))).collect();
                    for task in tasks {
                        task.await.expect("no panic");
                    }
                });
            });
        }
    });
}

#[test]
fn who_waits_is_served_in_turn_and_who_leaves_passes_the_turn_on() {
    let pool = pool(&Container::new(), 1);
    one_thread().block_on(async {
        let mut first = pool.spawn_async(&reader()).await.expect("a run");
        let command = reader();
        let mut second = Box::pin(pool.spawn_async(&command));
        let mut third = Box::pin(pool.spawn_async(&command));
        poll_fn(|context| {
            assert!(second.as_mut().poll(context).is_pending() && third.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        first.wait().await.expect("a report");
        // It has been given the slot, and does not know it yet.
        drop(second);
        assert!(third.await.expect("a run").wait().await.expect("a report").success());
    });
}

#[test]
fn files_go_in_and_come_out() {
    let pool = pool(&Container::new(), 1);
    one_thread().block_on(async {
        let command = sh("cat /tmp/in /tmp/in >/tmp/out; echo kept")
            .file("/tmp/in", vec![b'x'; 1 << 20])
            .collect("/tmp/out", 4 << 20)
            .collect("/tmp/none", 1)
            .collect("/tmp/out", 1);
        for _ in 0..2 {
            let output = pool.output_async(&command).await.expect("a run");
            let errno =
                |index: usize| output.files[index].read().err().and_then(|error| error.raw_os_error());
            assert_eq!(output.files[0].read().expect("a file"), vec![b'x'; 2 << 20]);
            assert_eq!((errno(1), errno(2)), (Some(libc::ENOENT), Some(libc::EFBIG)));

            let child = command.clone().stdin(Stdio::null()).stdout(Stdio::null());
            let mut child = pool.spawn_async(&child).await.expect("a run");
            let report = child.wait().await.expect("a report");
            assert_eq!(child.files().len(), 3);
            assert_eq!(child.wait().await.expect("a report"), report);
        }
        // A wait that is dropped after each poll loses no file.
        let mut child =
            pool.spawn_async(&command.stdin(Stdio::null()).stdout(Stdio::null())).await.expect("a run");
        while !polled(1, child.wait()).await {
            tokio::task::yield_now().await;
        }
        assert_eq!(child.files().iter().filter(|file| file.open().is_ok()).count(), 1);
        assert_eq!(child.files().len(), 3);
        has_slots(&pool, 1).await;
    });
}

#[test]
fn limits_hold_and_are_reported() {
    let pool = pool(&Container::new(), 1);
    one_thread().block_on(async {
        let slow = Command::new("sleep").arg("100").wall_time_limit(Duration::from_millis(50));
        assert_eq!(pool.run_async(&slow).await.expect("a report").cause(), Cause::WallTime);
        let talking = pool.output_async(&Command::new("yes").output_limit(1000)).await.expect("a report");
        assert_eq!((talking.report.cause(), talking.stdout.len()), (Cause::Output, 1000));
        let report = pool.run_async(&sh("exit 7").stdin(Stdio::null())).await.expect("a report");
        assert_eq!((report.cause(), report.code()), (Cause::Exited, Some(7)));
    });
}

#[test]
fn errors_are_those_of_the_blocking_call_and_the_pool_goes_on() {
    let pool = pool(&Container::new(), 1);
    let commands = [
        Command::new("/no/such/program"),
        sh("true").current_dir("/no/such/directory"),
        sh("true").file("/usr/x", ""),
        sh("true").memory_limit(1 << 20),
    ];
    one_thread().block_on(async {
        for command in &commands {
            let expected = pool.spawn(command).expect_err("an error").to_string();
            for _ in 0..2 {
                assert_eq!(pool.spawn_async(command).await.expect_err("an error").to_string(), expected);
                assert_eq!(pool.run_async(command).await.expect_err("an error").to_string(), expected);
                assert_eq!(pool.output_async(command).await.expect_err("an error").to_string(), expected);
            }
        }
        has_slots(&pool, 1).await;
    });
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let command = sh("true");
    let Poll::Ready(result) = pin!(pool.spawn_async(&command)).poll(&mut context) else { panic!("it waits") };
    assert_eq!((result.expect_err("no runtime").kind()), ErrorKind::Failed);
}

#[test]
fn futures_and_handles_move_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    fn moves<T: Send>(_: &T) {}
    is_shared::<Exec>();
    let pool = pool(&Container::new(), 1);
    moves(&pool.spawn_async(&sh("")));
    moves(&pool.run_async(&sh("")));
    moves(&pool.output_async(&sh("")));
    let moves_exec = |child: &Child| moves(&child.exec_output_async(&sh("")));
    let _ = moves_exec;
}

/// The pool's thread replaces the slot: nobody has to run the runtime for it.
#[test]
fn a_dropped_run_is_replaced_while_the_thread_waits_for_a_slot() {
    let pool = pool(&Container::new(), 1);
    let mark = unique_sleep();
    one_thread().block_on(async {
        for _ in 0..5 {
            let child = pool.spawn_async(&Command::new("sleep").arg(&mark)).await.expect("a run");
            drop(child);
            assert!(pool.run(&sh("exit 0").stdin(Stdio::null())).expect("a run").success());
            assert_eq!(processes_with(&mark), 0);
        }
    });
}

#[test]
fn a_run_outlives_its_pool() {
    let pool = pool(&Container::new(), 2);
    one_thread().block_on(async {
        let mut child = pool.spawn_async(&reader()).await.expect("a run");
        let dropped = pool.spawn_async(&reader()).await.expect("a run");
        drop(Arc::into_inner(pool).expect("nobody else has it"));
        assert!(child.wait().await.expect("a report").success());
        let workload = dropped.id();
        drop(dropped);
        eventually("it has ended", || !is_alive(workload)).await;
    });
}

#[test]
fn a_pool_grows_in_tasks() {
    probe_first();
    let pool = Pool::elastic(&Container::new(), 0..=3).expect("a pool");
    one_thread().block_on(async {
        for polls in 1..6 {
            polled(polls, pool.spawn_async(&reader())).await;
        }
        has_slots(&pool, 3).await;
    });
    let impossible = Pool::elastic(&Container::new().rootfs("/no/such/root"), 0..=1).expect("a pool");
    one_thread().block_on(async {
        for _ in 0..2 {
            let error = impossible.run_async(&sh("true")).await.expect_err("no root");
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
    });
}

// Further commands

#[test]
fn further_commands_are_awaited() {
    one_thread().block_on(async {
        let container = Container::new().command("cat").stdin(Stdio::piped());
        let mut child = container.spawn_async().await.expect("a container");
        let output = child.exec_output_async(&sh("echo out; echo err >&2; exit 3")).await.expect("output");
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("out".into(), "err".into()));
        assert_eq!(output.status.code(), Some(3));

        let echo = sh("read x; echo $x; read y").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut exec = child.exec_async(&echo).await.expect("a command");
        exec.stdin.as_mut().expect("a pipe").write_all(b"word\n").await.expect("a reader");
        let mut line = String::new();
        BufReader::new(exec.stdout.as_mut().expect("a pipe")).read_line(&mut line).await.expect("a line");
        assert_eq!(line, "word\n");
        let stdin = exec.stdin.take();
        assert!(!polled(1, exec.wait()).await);
        assert!(exec.try_wait().expect("no error").is_none() && is_alive(exec.id()));
        drop(stdin);
        let report = exec.wait().await.expect("a report");
        assert_eq!(exec.wait().await.expect("a report"), report);

        let error = child.exec_async(&Command::new("/no/such")).await.expect_err("no program");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let talking = child.exec_output_async(&Command::new("yes").output_limit(1000)).await.expect("output");
        assert_eq!((talking.report.cause(), talking.stdout.len()), (Cause::Output, 1000));

        let mark = unique_sleep();
        let exec = child.exec_async(&Command::new("sleep").arg(&mark)).await.expect("a command");
        exec.signal(0).expect("it is there");
        drop(exec);
        eventually("it has ended", || processes_with(&mark) == 0).await;
        for polls in 1..10 {
            polled(polls, child.exec_async(&Command::new("sleep").arg(&mark))).await;
        }
        eventually("they have ended", || processes_with(&mark) == 0).await;
        assert!(child.wait().await.expect("a report").success());
        let error = child.exec_async(&sh("true")).await.expect_err("it has ended");
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
    });
}

// Nothing is left. What looks at a whole process has one to itself.

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("threads").count()
}

#[test]
fn helper_that_drops_futures() {
    if !is_helper("helper_that_drops_futures") {
        return;
    }
    let can = [Limit::Memory, Limit::Pids].iter().all(|limit| allows(Feature::Limit(*limit)));
    let container = Container::new();
    let container = if can { container.memory_limit(64 << 20).pids_limit(32) } else { container };
    let command = sh("cat /tmp/in; exec sleep 0.005").file("/tmp/in", "x").collect("/tmp/in", 10);
    let before = threads();
    let pool = pool(&container, 2);
    assert_eq!(threads(), before + 1, "the pool's own");
    let runtime = one_thread();
    runtime.block_on(async {
        has_slots(&pool, 2).await;
        let flat = ProcessState::now();
        let mut polls = 0;
        loop {
            polls += 1;
            let (mut one, mut two) = (false, false);
            // Three for two slots, so that waiting for one is dropped, too.
            let both = async {
                tokio::join!(
                    async { one = polled(polls, pool.output_async(&command)).await },
                    async { two = polled(polls, pool.output_async(&command)).await },
                    polled(polls, pool.spawn_async(&command)),
                )
            };
            both.await;
            if one && two {
                break;
            }
            assert!(polls < 100, "it is ready some time");
        }
        assert!(polls > 2, "{polls}");
        has_slots(&pool, 2).await;
        let same = |now: &ProcessState| {
            (now.descriptors.len(), now.children.len(), &now.threads)
                == (flat.descriptors.len(), flat.children.len(), &flat.threads)
        };
        eventually("nothing is left", || same(&ProcessState::now())).await;
    });
    drop(pool);
    drop(runtime);
    assert_eq!((threads(), own_cgroups()), (before, Vec::new()));
}

#[test]
fn a_future_that_is_dropped_at_any_moment_leaves_the_pool_whole() {
    run_helper("helper_that_drops_futures");
}
