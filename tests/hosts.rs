//! Host programs of all kinds: threaded, asynchronous, large, with strange signal dispositions, forked, and
//! killed at any moment.
#![allow(unsafe_code)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child as Process, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cofferdam::{Cause, Container, Stdio};
use common::{is_helper, needs_program, output, sh, stdout, text, this_test};

/// Long enough for anything that works, on a machine under load.
const DEADLINE: Duration = Duration::from_secs(20);

/// A number of seconds for `sleep` that no other process on the machine has among its arguments.
fn unique_sleep() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("86400.{}{:03}", std::process::id(), COUNTER.fetch_add(1, Relaxed))
}

/// How many processes of the host have this argument.
fn processes_with(argument: &str) -> usize {
    let has = |path: &Path| {
        let arguments = fs::read(path.join("cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|known| known == argument.as_bytes())
    };
    fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| has(&entry.path())).count()
}

/// Waits until something is so.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::yield_now();
    }
}

/// Runs a helper to its successful end.
#[track_caller]
fn run_helper(name: &str) {
    let output = this_test(name).output().expect("this test program");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("HELPER FINE"), "{}\n{out}\n{err}", output.status);
}

/// Starts a helper and returns it with the rest of its first line that starts with `READY `.
#[track_caller]
fn start_helper(command: &mut Command) -> (Process, String) {
    let mut process = command.stdout(std::process::Stdio::piped()).spawn().expect("this test program");
    let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map_while(Result::ok);
    let line = lines.find_map(|line| Some(line.split_once("READY ")?.1.to_owned()));
    (process, line.expect("a line of the helper"))
}

fn kill_now(process: &mut Process) {
    process.kill().and_then(|()| process.wait()).expect("SIGKILL");
}

/// The same series of numbers in every run: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn eight_threads_spawn_at_once() {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for round in 0..10 {
                    let word = format!("{thread}-{round}");
                    let container = Container::new().command("/bin/echo").arg(&word);
                    assert_eq!(stdout(&container), word);
                }
            });
        }
    });
}

#[test]
fn one_container_is_run_by_many_threads() {
    let container = Arc::new(sh("cat /tmp/greeting; echo $((6 * 7))").file("/tmp/greeting", "hello "));
    let threads = (0..6).map(|_| {
        let container = Arc::clone(&container);
        std::thread::spawn(move || (0..5).for_each(|_| assert_eq!(stdout(&container), "hello 42")))
    });

    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("no panic");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(stdout(&container), "hello 42"));
        scope.spawn(|| assert_eq!(stdout(&container), "hello 42"));
    });
}

#[test]
fn a_handle_moves_between_threads_and_outlives_the_thread_that_spawned() {
    let spawn = || Container::new().command("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = std::thread::spawn(spawn).join().expect("no panic").expect("a container");

    // A container bound to its thread would be dead by now.
    assert_eq!(child.wait_timeout(Duration::from_millis(50)).expect("init"), None);
    child.stdin.as_mut().expect("a pipe").write_all(b"alive").expect("a reader");

    let output =
        std::thread::spawn(move || child.wait_with_output()).join().expect("no panic").expect("output");
    assert_eq!(text(&output.stdout), "alive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn containers_run_in_a_tokio_runtime() {
    let run = |number: u32| async move {
        let container = Container::new().command("/bin/echo").arg(number.to_string());
        let child = container.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a container");
        tokio::task::yield_now().await;
        let output = tokio::task::spawn_blocking(move || child.wait_with_output());
        (number, output.await.expect("no panic").expect("output"))
    };
    let tasks: Vec<_> = (0..40).map(|number| tokio::spawn(run(number))).collect();

    for task in tasks {
        let (number, output) = task.await.expect("no panic");
        assert_eq!(text(&output.stdout), number.to_string());
    }
}

#[tokio::test(flavor = "current_thread")]
async fn containers_run_on_the_only_thread_of_a_tokio_runtime() {
    let output = output(&sh("echo inside"));

    assert_eq!(text(&output.stdout), "inside");
}

/// The fastest of some runs: what the work costs, without the machine's other work.
fn fastest_run() -> Duration {
    let container = Container::new().command("/bin/true").stdin(Stdio::null());
    let run = || {
        let start = Instant::now();
        assert!(container.status().expect("a container").success());
        start.elapsed()
    };
    (0..60).map(|_| run()).min().expect("some runs")
}

#[test]
fn helper_that_grows() {
    if !is_helper("helper_that_grows") {
        return;
    }
    fastest_run();
    let small = fastest_run();
    let heap = std::hint::black_box(vec![1u8; 1 << 30]);
    let null = File::open("/dev/null").expect("/dev/null");
    let many: Vec<_> = (0..900).map(|_| null.try_clone().expect("a duplicate")).collect();
    let large = fastest_run();

    // A fork of this host would take 30 milliseconds more.
    assert!(large < small * 3, "{small:?} with a small heap, {large:?} with 1 GiB and 900 descriptors");
    assert_eq!((heap[heap.len() / 2], many.len()), (1, 900));
    println!("HELPER FINE");
}

#[test]
fn a_large_host_spawns_as_fast_as_a_small_one() {
    run_helper("helper_that_grows");
}

#[test]
fn helper_that_ignores_ended_children() {
    if !is_helper("helper_that_ignores_ended_children") {
        return;
    }
    // SAFETY: this process runs this test only; SIG_IGN is no function.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    check_all_ways_to_end();
    println!("HELPER FINE");
}

/// Reports and statuses, through every call that waits.
fn check_all_ways_to_end() {
    for code in [0, 7] {
        let container = sh(&format!("echo out; exit {code}"));
        let output = output(&container);
        assert_eq!((text(&output.stdout).as_str(), output.report.code()), ("out", Some(code)));
        assert_eq!(container.stdout(Stdio::null()).status().expect("a container").code(), Some(code));
    }
    let sleeper = Container::new().command("/bin/sleep").arg("86400");
    let mut child = sleeper.spawn().expect("a container");
    child.kill().expect("init");
    assert_eq!(child.wait().expect("a report").cause(), Cause::Killed);
    drop(sleeper.spawn().expect("a container"));
    assert!(Container::new().command("/no/such/program").spawn().is_err());
}

#[test]
fn a_host_that_ignores_sigchld_loses_nothing() {
    run_helper("helper_that_ignores_ended_children");
}

#[test]
fn helper_that_reaps_everything() {
    if !is_helper("helper_that_reaps_everything") {
        return;
    }
    let go_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let reaper = scope.spawn(|| {
            let mut reaped = 0;
            while go_on.load(Relaxed) {
                // SAFETY: a null pointer where the status is not wanted.
                match unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } {
                    1.. => reaped += 1,
                    _ => std::thread::yield_now(),
                }
            }
            reaped
        });
        let result = std::panic::catch_unwind(|| (0..20).for_each(|_| check_all_ways_to_end()));
        // Also after a panic, or the scope would wait for the reaper for ever.
        go_on.store(false, Relaxed);
        result.expect("reports and statuses");
        assert!(reaper.join().expect("no panic") > 0, "the control: it did get at the children");
    });
    println!("HELPER FINE");
}

#[test]
fn a_host_that_reaps_every_child_loses_nothing() {
    run_helper("helper_that_reaps_everything");
}

#[test]
fn helper_with_blocked_signals() {
    if !is_helper("helper_with_blocked_signals") {
        return;
    }
    // SAFETY: the set is initialised by sigfillset before it is used.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
    }
    let own = || fs::read_to_string("/proc/thread-self/status").expect("status");
    let before = own().lines().find(|line| line.starts_with("SigBlk")).map(str::to_owned);

    assert_eq!(
        stdout(&sh("grep -E 'SigBlk|SigIgn' /proc/self/status")),
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000"
    );
    check_all_ways_to_end();

    let after = own().lines().find(|line| line.starts_with("SigBlk")).map(str::to_owned);
    assert_eq!(before, after, "the host's own mask is as it was");
    assert_ne!(before.as_deref(), Some("SigBlk:\t0000000000000000"));
    println!("HELPER FINE");
}

#[test]
fn a_host_that_blocks_all_signals_runs_containers() {
    run_helper("helper_with_blocked_signals");
}

#[test]
fn helper_in_a_user_namespace() {
    if !is_helper("helper_in_a_user_namespace") {
        return;
    }
    let uid = nix::unistd::geteuid();
    assert_eq!(stdout(&sh("id -u")), "1000", "of user {uid}");
    assert_eq!(stdout(&sh("id -u").user(0, 0)), "0", "of user {uid}");
    println!("HELPER FINE");
}

/// As in a rootless container: a root to whom one id exists, its own.
#[test]
fn the_root_of_a_user_namespace_with_a_single_id_runs_containers() {
    if !needs_program("/usr/bin/unshare") {
        return;
    }
    let helper = this_test("helper_in_a_user_namespace");
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--user", "--map-root-user"]).arg(helper.get_program()).args(helper.get_args());
    command.envs(helper.get_envs().filter_map(|(key, value)| Some((key, value?))));

    let output = command.output().expect("unshare");

    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("HELPER FINE"), "{}\n{out}\n{err}", output.status);
}

/// Forks a process that does nothing and so holds a copy of every descriptor. Ends it when dropped.
struct Fork(libc::pid_t);

impl Fork {
    fn new() -> Self {
        // SAFETY: the child calls only pause(2), which is safe after a fork of a threaded process.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            loop {
                // SAFETY: no arguments.
                unsafe { libc::pause() };
            }
        }
        assert!(pid > 0, "{}", std::io::Error::last_os_error());
        Fork(pid)
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        end_process(self.0);
        // SAFETY: a child of this process that nobody else waits for.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
    }
}

fn end_process(pid: libc::pid_t) {
    // SAFETY: numbers only.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

#[test]
fn helper_whose_fork_holds_copies() {
    if !is_helper("helper_whose_fork_holds_copies") {
        return;
    }
    let cat = Container::new().command("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = cat.spawn().expect("a container");
    let other = Container::new().command("/bin/sleep").arg("86400").spawn().expect("a container");
    let fork = Fork::new();

    child.signal(libc::SIGTERM).expect("a workload");
    let report = child.wait_timeout(DEADLINE).expect("init").expect("an end, though a fork holds the socket");
    assert_eq!(report.signal(), Some(libc::SIGTERM));
    // Dropped, it ends too: the end of the file would not come.
    drop(other);
    check_all_ways_to_end();
    drop(fork);
    println!("HELPER FINE");
}

#[test]
fn the_end_is_seen_although_a_fork_of_the_host_holds_copies() {
    run_helper("helper_whose_fork_holds_copies");
}

#[test]
fn helper_to_be_killed() {
    if !is_helper("helper_to_be_killed") {
        return;
    }
    let marker = std::env::var("MARKER").expect("a marker");
    let script = format!("sleep {marker} & setsid sleep {marker} & echo started; wait");
    let mut child = sh(&script).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a container");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
    let fork = std::env::var_os("FORK").is_some().then(Fork::new);
    println!("READY {}", fork.as_ref().map_or(0, |fork| fork.0));
    std::io::stdout().flush().expect("the pipe");
    loop {
        std::thread::park();
    }
}

#[test]
fn the_container_dies_with_the_host() {
    let marker = unique_sleep();
    let (mut host, _) = start_helper(this_test("helper_to_be_killed").env("MARKER", &marker));
    eventually("both sleep", || processes_with(&marker) == 2);

    kill_now(&mut host);

    eventually("everything is gone", || processes_with(&marker) == 0);
}

#[test]
fn the_container_dies_with_the_host_although_a_fork_lives_on() {
    let marker = unique_sleep();
    let mut host = this_test("helper_to_be_killed");
    let (mut host, fork) = start_helper(host.env("MARKER", &marker).env("FORK", "1"));
    let fork: libc::pid_t = fork.parse().expect("a process id");
    eventually("both sleep", || processes_with(&marker) == 2);

    kill_now(&mut host);

    let gone = || processes_with(&marker) == 0;
    let deadline = Instant::now() + DEADLINE;
    while !gone() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let (gone, fork_lives) = (gone(), common::is_alive(fork as u32));
    end_process(fork);
    assert!(fork_lives, "the control: the fork holds its copies");
    assert!(gone, "the container lives on");
}

#[test]
fn helper_that_spawns_until_killed() {
    if !is_helper("helper_that_spawns_until_killed") {
        return;
    }
    let marker = std::env::var("MARKER").expect("a marker");
    println!("READY");
    println!("READY now");
    std::io::stdout().flush().expect("the pipe");
    let container = Container::new().command("/bin/sleep").arg(&marker).stdin(Stdio::null());
    let container = container.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = std::collections::VecDeque::new();
    loop {
        running.push_back(container.spawn().expect("a container"));
        if running.len() > 2 {
            running.pop_front();
        }
    }
}

/// The processes of a session.
fn processes_in_session(session: u32) -> Vec<String> {
    let stat = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("stat")).ok();
    let stats = fs::read_dir("/proc").expect("/proc").flatten().filter_map(stat);
    let in_session = |stat: &String| {
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(3)) == Some(&session.to_string())
    };
    stats.filter(in_session).collect()
}

/// All inits of the machine: process id and the time of its start, which together name a process.
fn inits() -> std::collections::BTreeSet<(u32, String)> {
    let init = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (front, rest) = stat.rsplit_once(") ")?;
        let named = front.ends_with("(cofferdam-init") || front.ends_with("(memfd:cofferdam");
        let start = rest.split(' ').nth(19)?.to_owned();
        named.then_some((entry.file_name().to_str()?.parse().ok()?, start))
    };
    fs::read_dir("/proc").expect("/proc").flatten().filter_map(init).collect()
}

#[test]
fn a_host_killed_at_any_moment_of_a_spawn_leaves_nothing() {
    let marker = unique_sleep();
    let mut random = Random(0x5eed_c0ff_e2da_0001);
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo").lines().count();
    let mut sessions = Vec::new();
    let mut inits_seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let mut host = this_test("helper_that_spawns_until_killed");
        host.env("MARKER", &marker).stderr(std::process::Stdio::null());
        // SAFETY: setsid(2) is all that runs between fork and exec.
        unsafe { host.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into)) };
        let (mut host, _) = start_helper(&mut host);
        sessions.push(host.id());

        let moment = Instant::now() + Duration::from_micros(random.below(3000));
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        let of_this_host = children_of(host.id());
        inits_seen.extend(inits().into_iter().filter(|(pid, _)| of_this_host.contains(pid)));
        kill_now(&mut host);
    }

    eventually("the workloads are gone", || processes_with(&marker) == 0);
    eventually("the inits are gone", || inits().is_disjoint(&inits_seen));
    eventually("what had not become init is gone", || {
        sessions.iter().all(|session| processes_in_session(*session).is_empty())
    });
    assert!(!inits_seen.is_empty(), "the control: some hosts had got so far");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("mountinfo").lines().count(), mounts);
}

fn children_of(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let children =
        |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    let lists: Vec<String> = threads.flatten().map(children).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
}
