//! Host programs of all kinds: threaded, asynchronous, large, with strange signal dispositions, forked, and
//! killed at any moment.
#![allow(unsafe_code)]

mod common;

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cofferdam::{Cause, Container, Pool, Stdio};
use common::helper::{is_helper, printed_by, run_helper, this_test, this_test_through};
use common::processes::{
    DEADLINE, Process, children_of, eventually, is_alive, mounts_of_host, next_line, process, processes,
    processes_with, unique_sleep,
};
use common::{needs_program, output, sh, stdout, text};

/// Starts a helper and returns it with the rest of its first line that starts with `READY `.
#[track_caller]
fn start_helper(command: &mut Command) -> (Child, String) {
    let mut process = command.stdout(std::process::Stdio::piped()).spawn().expect("this test program");
    let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map_while(Result::ok);
    let line = lines.find_map(|line| Some(line.split_once("READY ")?.1.to_owned()));
    (process, line.expect("a line of the helper"))
}

fn kill_now(process: &mut Child) {
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

/// How long a run takes, from the call to the end.
fn time_of_a_run() -> Duration {
    let start = Instant::now();
    let container = Container::new().command("/bin/true").stdin(Stdio::null());
    assert!(container.status().expect("a container").success());
    start.elapsed()
}

#[test]
fn helper_that_grows() {
    if !is_helper("helper_that_grows") {
        return;
    }
    let small = (0..60).map(|_| time_of_a_run()).min().expect("some runs");
    let heap = std::hint::black_box(vec![1u8; 1 << 30]);
    let null = File::open("/dev/null").expect("/dev/null");
    let many: Vec<_> = (0..900).map(|_| null.try_clone().expect("a duplicate")).collect();

    // Other work of the machine slows some runs. A fork of 1 GiB would take 30 milliseconds more in all.
    eventually("a run that is about as fast", || time_of_a_run() < small * 3);
    assert_eq!((heap[heap.len() / 2], many.len()), (1, 900));
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
}

/// As in a rootless container: a root to whom one id exists, its own.
#[test]
fn the_root_of_a_user_namespace_with_a_single_id_runs_containers() {
    if !needs_program("/usr/bin/unshare") {
        return;
    }
    const HELPER: &str = "helper_in_a_user_namespace";
    printed_by(&mut this_test_through("/usr/bin/unshare", &["--user", "--map-root-user"], HELPER), HELPER);
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
}

#[test]
fn the_end_is_seen_although_a_fork_of_the_host_holds_copies() {
    run_helper("helper_whose_fork_holds_copies");
}

#[test]
fn helper_whose_fork_has_a_pool() {
    if !is_helper("helper_whose_fork_has_a_pool") {
        return;
    }
    let pool = Pool::new(&Container::new(), 1).expect("a pool");
    // SAFETY: the keeper of the pool sleeps, and no other thread of this helper is about.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: ends a child that waits for a thread that it does not have.
        unsafe { libc::alarm(20) };
        let refused = pool.run(&cofferdam::Command::new("true")).is_err();
        drop(pool);
        std::process::exit(i32::from(!refused));
    }
    let mut status = -1;
    // SAFETY: a child of this process that nobody else waits for.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!(status, 0);
    assert!(pool.run(&cofferdam::Command::new("true")).expect("a run").success());
}

#[test]
fn a_fork_of_the_host_has_no_part_in_its_pool() {
    run_helper("helper_whose_fork_has_a_pool");
}

#[test]
fn helper_to_be_killed() {
    if !is_helper("helper_to_be_killed") {
        return;
    }
    let marker = std::env::var("MARKER").expect("a marker");
    let script = format!("sleep {marker} & setsid sleep {marker} & echo started; wait");
    let mut child = sh(&script).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a container");
    assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")), "started");
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
    let fork = Fork(fork.parse().expect("a process id"));
    eventually("both sleep", || processes_with(&marker) == 2);

    kill_now(&mut host);

    eventually("everything but the fork is gone", || processes_with(&marker) == 0);
    assert!(is_alive(fork.0 as u32), "the control: the fork holds its copies");
}

#[test]
fn helper_that_spawns_until_killed() {
    if !is_helper("helper_that_spawns_until_killed") {
        return;
    }
    let marker = std::env::var("MARKER").expect("a marker");
    if std::env::var_os("FORKS").is_some() {
        // A fork has the name of the thread that made it.
        std::thread::Builder::new().name(FORK_NAME.to_owned()).spawn(fork_again_and_again).expect("a thread");
    }
    println!("READY now");
    std::io::stdout().flush().expect("the pipe");
    let container = Container::new().command("/bin/sleep").arg(&marker).stdin(Stdio::null());
    let container = container.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = VecDeque::new();
    loop {
        running.push_back(container.spawn().expect("a container"));
        if running.len() > 2 {
            running.pop_front();
        }
    }
}

const FORK_NAME: &str = "holds-copies";

/// At any moment some forks live, of which the last is hardly older than the moment.
fn fork_again_and_again() {
    let mut forks = VecDeque::new();
    loop {
        forks.push_back(Fork::new());
        if forks.len() > 3 {
            forks.pop_front();
        }
    }
}

/// Hosts that spawn containers, each killed at some moment of that.
struct KilledHosts {
    /// The argument of their workloads.
    marker: String,
    /// Whether each host forks, again and again, processes that hold copies of its descriptors.
    with_forks: bool,
    /// How long a host took to create its first process.
    first_child_after: Duration,
    random: Random,
    sessions: BTreeSet<u32>,
    children_seen: BTreeSet<(u32, String)>,
}

impl KilledHosts {
    /// With one host that is killed when it has created a process.
    fn new(with_forks: bool) -> Self {
        let mut hosts = KilledHosts {
            marker: unique_sleep(),
            with_forks,
            first_child_after: Duration::ZERO,
            random: Random(0x5eed_c0ff_e2da_0001),
            sessions: BTreeSet::new(),
            children_seen: BTreeSet::new(),
        };
        let mut host = hosts.start();
        let start = Instant::now();
        eventually("a child of the host", || !hosts.children_but_forks(host.id()).is_empty());
        hosts.first_child_after = start.elapsed();
        hosts.kill(&mut host);
        hosts
    }

    /// Starts a host in a session of its own.
    fn start(&mut self) -> Child {
        let mut host = this_test("helper_that_spawns_until_killed");
        host.env("MARKER", &self.marker).envs(self.with_forks.then_some(("FORKS", "1")));
        host.stderr(std::process::Stdio::null());
        // SAFETY: setsid(2) is all that runs between fork and exec.
        unsafe { host.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into)) };
        let (host, _) = start_helper(&mut host);
        self.sessions.insert(host.id());
        host
    }

    fn kill(&mut self, host: &mut Child) {
        self.children_seen.extend(self.children_but_forks(host.id()));
        kill_now(host);
    }

    /// Starts a host and kills it at a random moment of its first containers.
    fn one_more(&mut self) {
        let mut host = self.start();
        let longest = self.first_child_after.clamp(Duration::from_millis(1), Duration::from_millis(20)) * 3;
        let moment = Instant::now() + Duration::from_micros(self.random.below(longest.as_micros() as u64));
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        self.kill(&mut host);
    }

    fn children_but_forks(&self, host: u32) -> BTreeSet<(u32, String)> {
        let children = children_of(host).into_iter().filter_map(process);
        children.filter(|child| child.name != FORK_NAME).map(|child| child.id).collect()
    }

    /// Neither workloads, nor what had become an init, nor what had not and so is in the host's session.
    #[track_caller]
    fn assert_nothing_but_forks_is_left(&self) {
        eventually("the workloads are gone", || processes_with(&self.marker) == 0);
        let left = |process: &Process| process.is_alive() && process.name != FORK_NAME;
        eventually("the hosts' children are gone", || {
            processes().filter(left).all(|process| !self.children_seen.contains(&process.id))
        });
        eventually("the sessions are empty", || {
            processes().filter(left).all(|process| !self.sessions.contains(&process.session))
        });
    }

    fn forks(&self) -> Vec<Process> {
        let is_fork =
            |process: &Process| self.sessions.contains(&process.session) && process.name == FORK_NAME;
        processes().filter(is_fork).collect()
    }
}

impl Drop for KilledHosts {
    fn drop(&mut self) {
        self.forks().iter().for_each(|fork| end_process(fork.id.0 as libc::pid_t));
    }
}

#[test]
fn a_host_killed_at_any_moment_of_a_spawn_leaves_nothing() {
    let mounts = mounts_of_host();
    let mut hosts = KilledHosts::new(false);

    (0..ROUNDS).for_each(|_| hosts.one_more());

    hosts.assert_nothing_but_forks_is_left();
    assert_eq!(mounts_of_host(), mounts);
}

/// A fork holds the host's end of the control socket, also of a container that has no plan yet.
#[test]
fn a_host_killed_at_any_moment_of_a_spawn_leaves_nothing_although_forks_live_on() {
    let mut hosts = KilledHosts::new(true);

    (0..ROUNDS).for_each(|_| hosts.one_more());

    hosts.assert_nothing_but_forks_is_left();
    assert!(!hosts.forks().is_empty(), "the control: forks hold copies");
}

const ROUNDS: usize = 40;
