//! Containers that run one command after another: each run is as if it were the first.

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam::{
    Capabilities, Cause, Command, Container, ErrorKind, Feature, Limit, Namespaces, Output, Pool, Resource,
    Seccomp, Stdio, Tmpfs,
};
use common::calls::has_perl;
use common::limits::{probe_first, works};
use common::processes::{eventually, init_of, is_alive, unique_sleep};
use common::{on_host, output, temp_dir, text};

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

fn perl(script: &str) -> Command {
    Command::new("perl").args(["-e", script])
}

fn pool(container: &Container, slots: usize) -> Pool {
    probe_first();
    Pool::new(container, slots).unwrap_or_else(|error| panic!("no pool: {error}"))
}

#[track_caller]
fn run(pool: &Pool, command: &Command) -> Output {
    pool.output(command).unwrap_or_else(|error| panic!("cannot run: {error}"))
}

/// Whether memory can be limited here, and all else that a test may limit.
#[track_caller]
fn limits_memory() -> bool {
    works(Feature::Limit(Limit::Memory), Container::new().memory_limit(64 << 20))
}

/// What a successful command writes, without the last newline.
#[track_caller]
fn stdout(pool: &Pool, command: &Command) -> String {
    let output = run(pool, command);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\nstdout: {out}\nstderr: {err}", output.status);
    out
}

/// The container in which a command runs, by its init: a number of the host, which is not another's soon.
fn place(pool: &Pool) -> String {
    let mut child = pool.spawn(&sh("read x").stdin(Stdio::piped())).expect("a run");
    let init = init_of(&child);
    child.wait().expect("a report");
    init.to_string()
}

#[test]
fn a_command_runs_as_in_a_container_of_its_own() {
    let look = "id; pwd; env | sort; ls /; hostname; cat /proc/self/cgroup; ls -A /tmp /dev /dev/shm /dev/mqueue; \
                cat /proc/self/status | grep -E 'Cap|Seccomp:|NoNewPrivs|NSpid'; ls /proc/self/fd | wc -l; ulimit -a; \
                ip=$(cat /proc/net/dev | wc -l); echo $ip $$; touch /x";
    // Moves this program to its group, which /proc/self/cgroup would show of a container that runs meanwhile.
    probe_first();
    let alone = output(&Container::new().command("sh").args(["-c", look]));
    let pool = pool(&Container::new(), 1);

    for _ in 0..3 {
        let pooled = run(&pool, &sh(look));
        assert_eq!(text(&pooled.stdout), text(&alone.stdout));
        assert_eq!(text(&pooled.stderr), text(&alone.stderr));
        assert_eq!(pooled.status, alone.status);
    }
}

#[test]
fn commands_of_many_threads_share_the_containers() {
    let pool = pool(&Container::new(), 2);
    let places = Mutex::new(BTreeSet::new());

    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (pool, places) = (&pool, &places);
            scope.spawn(move || {
                for round in 0..8 {
                    let word = format!("{thread}-{round}");
                    let script = format!(
                        "test ! -e /tmp/x && echo {word} >/tmp/x && cat /tmp/x && readlink /proc/self/ns/mnt"
                    );
                    let out = stdout(pool, &sh(&script));
                    let (said, place) = out.split_once('\n').expect("two lines");
                    assert_eq!(said, word);
                    places.lock().expect("a set").insert(place.to_owned());
                }
            });
        }
    });

    assert!(places.into_inner().expect("a set").len() <= 2);
}

#[test]
fn a_command_says_what_is_its_own() {
    let container =
        Container::new().env("KEPT", "a").env("CHANGED", "b").env("GONE", "c").current_dir("/usr");
    let pool = pool(&container, 1);
    let directory = temp_dir();
    let file = directory.path().join("given");
    fs::write(&file, "given").expect("a file");
    let own = sh("echo $KEPT $CHANGED ${GONE-none}; pwd; cat; cat <&7; ulimit -n")
        .env("CHANGED", "d")
        .env_remove("GONE")
        .current_dir("/tmp")
        .stdin(File::open(&file).expect("the file"))
        .fd(7, File::open(&file).expect("the file"))
        .rlimit(Resource::OpenFiles, 20, 20);

    assert_eq!(stdout(&pool, &own), "a d none\n/tmp\ngivengiven20");
    assert_eq!(stdout(&pool, &sh("echo $CHANGED $GONE; pwd; test ! -e /proc/self/fd/7")), "b c\n/usr");
    assert_eq!(stdout(&pool, &Command::new("/usr/bin/env").env_clear().env("A", "1")), "A=1");
}

/// A trace that a run leaves: how, and how to look for it.
struct Trace {
    name: &'static str,
    leave: &'static str,
    look: &'static str,
}

/// In each the last expression of `look` is printed.
const TRACES: [Trace; 17] = [
    Trace { name: "a file", leave: "open F, '>/tmp/f'", look: "join ' ', glob '/tmp/*'" },
    Trace {
        name: "a hidden file of the shared memory",
        leave: "open F, '>/dev/shm/.f'",
        look: "`ls -A /dev/shm`",
    },
    Trace {
        name: "the times of /tmp",
        leave: "utime 5, 5, '/tmp'",
        look: "(stat '/tmp')[9] < 1000 ? 'set' : ''",
    },
    Trace { name: "the mode of /tmp", leave: "chmod 0700, '/tmp'", look: "(stat '/tmp')[2]" },
    Trace {
        name: "the number of an inode without name",
        leave: "my $d = '/tmp'; syscall 2, $d, 020200002, 0600 for 1..5; syscall 257, -100, $d, 020200002, 0600",
        look: "open F, '>/tmp/f'; (stat F)[1]",
    },
    Trace {
        name: "a process in a session of its own",
        leave: "if (!fork) { `true`; setpgrp; close STDOUT; close STDERR; sleep 1000 }",
        look: "join ' ', glob '/proc/[0-9]*'",
    },
    Trace {
        name: "process ids",
        leave: "for (1..20) { waitpid fork || exit, 0 }",
        look: "my $p = fork || exit; \"$$ $p\"",
    },
    Trace {
        name: "shared memory of System V",
        leave: "shmget 42, 100, 01600",
        look: "my $i = shmget 42, 0, 0; defined $i ? $i : 'none'",
    },
    Trace {
        name: "the number of shared memory that is gone",
        leave: "my $i = shmget 0, 100, 01600; shmctl $i, 0, 0",
        look: "shmget 0, 100, 01600",
    },
    Trace {
        name: "the number of a semaphore that is gone",
        leave: "my $i = semget 0, 1, 01600; semctl $i, 0, 0, 0",
        look: "semget 0, 1, 01600",
    },
    Trace {
        name: "the number of a message queue that is gone",
        leave: "my $i = msgget 0, 01600; msgctl $i, 0, 0",
        look: "msgget 0, 01600",
    },
    Trace {
        name: "a message queue of POSIX",
        leave: "open F, '>/dev/mqueue/q'",
        look: "join ' ', glob '/dev/mqueue/*'",
    },
    Trace {
        name: "an abstract name",
        leave: "use Socket; socket S, AF_UNIX, SOCK_STREAM, 0; bind S, pack_sockaddr_un(\"\\0name\") or die; if (!fork) { setpgrp; close STDOUT; close STDERR; sleep 1000 }",
        look: "use Socket; socket S, AF_UNIX, SOCK_STREAM, 0; bind(S, pack_sockaddr_un(\"\\0name\")) ? 'free' : \"$!\"",
    },
    Trace {
        name: "the counters of the interface",
        leave: "use Socket; socket S, AF_INET, SOCK_DGRAM, 0; send S, 'x', 0, pack_sockaddr_in(9, INADDR_LOOPBACK) or die",
        look: "open F, '/proc/net/dev'; (grep /lo:/, <F>)[0]",
    },
    Trace {
        name: "the counters of a protocol",
        leave: "use Socket; socket S, AF_INET, SOCK_DGRAM, 0; send S, 'x', 0, pack_sockaddr_in(9, inet_aton '10.1.1.1')",
        look: "open F, '/proc/net/snmp'; join '', <F>",
    },
    Trace {
        name: "a port that waits",
        leave: "use Socket; socket S, AF_INET, SOCK_STREAM, 0; bind S, pack_sockaddr_in(5432, INADDR_LOOPBACK) or die; listen S, 1; socket C, AF_INET, SOCK_STREAM, 0; connect C, pack_sockaddr_in(5432, INADDR_LOOPBACK) or die; accept A, S; close A; close C",
        look: "use Socket; socket S, AF_INET, SOCK_STREAM, 0; bind(S, pack_sockaddr_in(5432, INADDR_LOOPBACK)) ? 'free' : \"$!\"",
    },
    Trace {
        name: "what was looked up in /proc",
        leave: "stat '/proc/cpuinfo'",
        look: "(stat '/proc/cpuinfo')[9] >= $^T - 0 ? '' : 'older'",
    },
];

/// Times of files are seen in seconds.
fn await_another_second() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let start = now();
    eventually("another second", || now() > start);
}

#[test]
fn nothing_of_a_run_is_seen_by_the_next() {
    if !has_perl() {
        return;
    }
    let container = Container::new();
    let mut failures = Vec::new();
    for Trace { name, leave, look } in TRACES {
        let looking = format!("$| = 1; print eval {{ {look} }}");
        let fresh = stdout(&pool(&container, 1), &perl(&looking));
        let pool = pool(&container, 1);
        let before = place(&pool);
        // Beside each other in one run the trace shows: whoever looks for it can see it.
        let beside = run(&pool, &perl(&format!("eval {{ {leave} }}; {looking}")));
        let is_used_again = place(&pool) == before;
        run(&pool, &perl(leave));
        if name.contains("in /proc") {
            await_another_second();
        }
        let after = stdout(&pool, &perl(&looking));

        if after != fresh {
            failures.push(format!("{name}: {after:?} instead of {fresh:?}"));
        }
        if text(&beside.stdout) == fresh && !name.contains("in /proc") {
            failures.push(format!("{name}: nothing to be seen: {fresh:?} {}", text(&beside.stderr)));
        }
        if !is_used_again {
            failures.push(format!("{name}: another container"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn each_run_counts_from_zero() {
    if !limits_memory() || !has_perl() {
        return;
    }
    let pool = pool(&Container::new().memory_limit(128 << 20).pids_limit(32).accounting(true), 1);
    let small = run(&pool, &perl("1")).report;
    let large =
        run(&pool, &perl("my $x = 'x' x (40 << 20); for (1..10) { fork || sleep 1000 } 1 for 1..5_000_000"))
            .report;
    let after = run(&pool, &perl("1")).report;

    assert!(large.memory_peak() > 40 << 20, "{large:?}");
    assert!(after.memory_peak() < small.memory_peak() + (4 << 20), "{after:?}");
    assert!(large.cpu_time() > Duration::from_millis(50), "{large:?}");
    assert!(after.cpu_time() < large.cpu_time() / 2, "{after:?}");
    assert!(after.usage().pids_peak.is_none_or(|peak| peak.value < 5), "{after:?}");
    assert!(after.wall_time() < large.wall_time(), "{after:?}");
}

#[test]
fn what_a_run_has_read_is_not_charged_to_the_next() {
    if !limits_memory() || !has_perl() {
        return;
    }
    let directory = temp_dir();
    common::set_mode(directory.path(), 0o777);
    for name in 0..4 {
        fs::write(directory.path().join(name.to_string()), vec![1; 4 << 20]).expect("a file");
    }
    // Out of the cache, so that the one who reads it is charged for it.
    on_host(&format!(
        "for f in {}/*; do dd if=$f iflag=nocache count=0 status=none; done",
        directory.path().display()
    ));
    let pool = pool(&Container::new().memory_limit(64 << 20).bind_read_only(directory.path(), "/data"), 1);
    run(&pool, &sh("cat /data/* /data/* >/dev/null; head -c 20M /dev/zero >/tmp/x"));

    let child = pool.spawn(&sh("read x").stdin(Stdio::piped())).expect("a run");
    let memory = child.stats().expect("figures").memory.expect("a figure").value;
    assert!(memory < 3 << 20, "{memory} bytes at the start");
}

#[test]
fn limits_hold_in_every_run_and_each_can_have_others() {
    if !limits_memory() || !has_perl() {
        return;
    }
    let pool = pool(
        &Container::new().memory_limit(64 << 20).pids_limit(16).wall_time_limit(Duration::from_secs(60)),
        1,
    );
    let greedy = perl("my $x = 'x' x (100 << 20); print 'done'");
    let forking = sh("for i in 1 2 3 4 5 6 7 8; do sleep 100 & done");

    for _ in 0..3 {
        assert_eq!(run(&pool, &greedy).report.cause(), Cause::Memory);
        assert_eq!(stdout(&pool, &greedy.clone().memory_limit(256 << 20)), "done");
        assert_eq!(run(&pool, &forking.clone().pids_limit(4)).report.cause(), Cause::Pids);
        assert_eq!(run(&pool, &forking).report.cause(), Cause::Exited);
        let slow = Command::new("sleep").arg("100").wall_time_limit(Duration::from_millis(50));
        assert_eq!(run(&pool, &slow).report.cause(), Cause::WallTime);
        let busy = perl("1 while 1").cpu_time_limit(Duration::from_millis(50));
        assert_eq!(run(&pool, &busy).report.cause(), Cause::CpuTime);
        let talking = Command::new("yes").output_limit(1000);
        let output = run(&pool, &talking);
        assert_eq!((output.report.cause(), output.stdout.len()), (Cause::Output, 1000));
        let large = sh("head -c 1M /dev/zero >/tmp/x").file_size_limit(1000);
        assert!(!run(&pool, &large).report.success());
        assert!(run(&pool, &sh("head -c 1M /dev/zero >/tmp/x")).report.success());
    }
}

#[test]
fn a_limit_without_a_group_for_it_is_an_error() {
    let pool = pool(&Container::new(), 1);

    let error = pool.run(&sh("true").memory_limit(1 << 20)).expect_err("no group");

    assert_eq!(error.kind(), ErrorKind::LimitUnavailable, "{error}");
    assert!(pool.run(&sh("true")).expect("the pool goes on").success());
}

#[test]
fn files_are_put_in_and_taken_out_by_bytes_and_descriptors() {
    let pool = pool(&Container::new().tmpfs(Tmpfs::new("/work")), 2);
    let mut large = vec![7; 3 << 20];
    large.push(9);
    let mut given = tempfile::tempfile().expect("a file");
    given.write_all(&large).expect("room");
    given.rewind().expect("a file");

    let made = sh("cat /work/in/source; cp /tmp/large /work/copy; ln -s copy /work/link; mkdir /work/d; mkfifo /work/fifo")
        .file("/work/in/source", "text")
        .file_of("/tmp/large", given.try_clone().expect("a descriptor"), 0o600)
        .collect("/work/copy", 4 << 20)
        .collect("/work/copy", 1000)
        .collect("/work/none", 1)
        .collect("/work/link", 4 << 20)
        .collect("/work/d", 1)
        .collect("/work/fifo", 1);
    let output = run(&pool, &made);

    assert_eq!(text(&output.stdout), "text", "{}", text(&output.stderr));
    let errno = |index: usize| output.files[index].read().err().and_then(|error| error.raw_os_error());
    assert_eq!(output.files[0].read().expect("the file"), large);
    let errors: Vec<_> = (1..6).map(errno).collect();
    assert_eq!(errors, [libc::EFBIG, libc::ENOENT, libc::EINVAL, libc::EINVAL, libc::EINVAL].map(Some));

    for _ in 0..2 {
        let run_it = sh("cmp /tmp/again - && test -x /tmp/again && stat -c %s /tmp/again");
        let whole = Stdio::from(given.try_clone().expect("a descriptor"));
        let again =
            run_it.stdin(whole).file_of("/tmp/again", output.files[0].open().expect("the file"), 0o755);
        assert_eq!(stdout(&pool, &again), large.len().to_string());
        given.rewind().expect("a file");
    }
    assert_eq!(stdout(&pool, &sh("ls -A /work /tmp")), "/tmp:\n\n/work:");
}

#[test]
fn a_file_that_has_no_place_is_an_error_and_the_pool_goes_on() {
    let pool = pool(&Container::new(), 1);
    let error = pool.run(&sh("true").file("/usr/bin/new", "text")).expect_err("read-only");
    assert_eq!(error.step(), "file", "{error}");
    let error = pool.run(&sh("true").file("relative", "text")).expect_err("relative");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");

    assert_eq!(stdout(&pool, &sh("ls -A /tmp")), "");
}

#[test]
fn a_command_that_cannot_be_executed_is_an_error_with_its_name() {
    let pool = pool(&Container::new(), 1);
    for _ in 0..3 {
        let error = pool.spawn(&Command::new("no-such-program")).expect_err("no program");
        assert_eq!((error.step(), error.raw_os_error()), ("exec", Some(libc::ENOENT)), "{error}");
        let error = pool.run(&Command::new("/etc/passwd")).expect_err("no program");
        assert_eq!((error.step(), error.raw_os_error()), ("exec", Some(libc::EACCES)), "{error}");
        let error = pool.output(&sh("true").current_dir("/none")).expect_err("no directory");
        assert_eq!(
            (error.step(), error.raw_os_error()),
            ("working-directory", Some(libc::ENOENT)),
            "{error}"
        );
    }
    assert_eq!(stdout(&pool, &sh("echo well")), "well");
}

#[test]
fn bad_input_is_found_before_a_container_is_taken() {
    let pool = pool(&Container::new(), 1);
    let commands = [
        Command::new(""),
        Command::new("a\0b"),
        sh("true").arg("a\0b"),
        sh("true").env("A=B", ""),
        sh("true").current_dir("tmp"),
        sh("true").wall_time_limit(Duration::ZERO),
        sh("true").memory_limit(0),
        sh("true").file("/tmp/../x", ""),
        sh("true").collect("tmp", 1),
    ];
    let before = place(&pool);
    for command in commands {
        let error = pool.run(&command).expect_err("bad input");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{command:?}: {error}");
    }
    assert_eq!(place(&pool), before);

    let error = Pool::new(&Container::new(), 0).expect_err("no container");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let error = Pool::new(&Container::new().rootfs("/no/such/directory"), 1).expect_err("no root");
    assert_eq!(error.step(), "rootfs", "{error}");
}

#[test]
fn the_handle_is_that_of_a_container() {
    let pool = pool(&Container::new(), 1);
    let mut child = pool
        .spawn(&sh("read x; echo $x; sleep 1000").stdin(Stdio::piped()).stdout(Stdio::piped()))
        .expect("a run");

    assert_eq!(fs::read_to_string(format!("/proc/{}/comm", child.id())).expect("a process"), "sh\n");
    child.pause().expect("a pause");
    child.resume().expect("an end of the pause");
    child.stdin.take().expect("a pipe").write_all(b"word\n").expect("a reader");
    let mut word = [0; 5];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut word).expect("a writer");
    assert_eq!(&word, b"word\n");
    assert!(child.wait_timeout(Duration::from_millis(1)).expect("no report yet").is_none());
    child.kill().expect("a kill");
    let report = child.wait().expect("a report");
    assert_eq!(report.cause(), Cause::Killed);
    assert_eq!(child.wait().expect("the same"), report);
    child.kill().expect("nothing");
    assert_eq!(stdout(&pool, &sh("echo next")), "next");
}

#[test]
fn a_run_in_a_pool_cannot_be_detached() {
    let pool = pool(&Container::new(), 1);
    let child = pool.spawn(&Command::new("sleep").arg("1000")).expect("a run");
    let error = child.detach().expect_err("no way");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[test]
fn a_handle_that_is_dropped_ends_its_run_and_another_container_takes_the_place() {
    let pool = pool(&Container::new(), 1);
    let child = pool.spawn(&Command::new("sleep").arg("1000")).expect("a run");
    let (init, workload) = (init_of(&child), child.id());

    drop(child);

    eventually("the end", || !is_alive(workload) && !is_alive(init));
    assert_eq!(stdout(&pool, &sh("echo next")), "next");
}

#[test]
fn a_run_outlives_its_pool_and_nothing_outlives_both() {
    let pool = pool(&Container::new(), 2);
    let mut child = pool.spawn(&sh("read x").stdin(Stdio::piped())).expect("a run");
    let init = init_of(&child);

    drop(pool);

    assert!(is_alive(init));
    assert!(child.wait_timeout(Duration::from_millis(1)).expect("it goes on").is_none());
    assert_eq!(child.wait().expect("a report").code(), Some(1));
    drop(child);
    eventually("the end", || !is_alive(init));
}

#[test]
fn an_elastic_pool_grows_to_its_most_and_then_has_callers_wait() {
    probe_first();
    let pool = Pool::elastic(&Container::new(), 0..=2).expect("a pool");
    let waiting = || pool.spawn(&sh("read x").stdin(Stdio::piped())).expect("a run");
    let (mut one, mut two) = (waiting(), waiting());
    let first = init_of(&one).to_string();

    std::thread::scope(|scope| {
        let third = scope.spawn(|| place(&pool));
        one.wait().expect("a report");
        assert_eq!(third.join().expect("a run"), first);
    });
    two.wait().expect("a report");
}

#[test]
fn what_cannot_be_made_as_new_serves_once() {
    let directory = temp_dir();
    common::set_mode(directory.path(), 0o777);
    let containers = [
        Container::new().seccomp(Seccomp::unconfined()),
        Container::new().capabilities(Capabilities::NET_BIND_SERVICE),
        Container::new().share(Namespaces::PID),
        Container::new().tmpfs(Tmpfs::new("/a")).tmpfs(Tmpfs::new("/a/b")),
    ];
    for container in containers {
        let pool = pool(&container, 1);
        let places: BTreeSet<_> = (0..3).map(|_| place(&pool)).collect();
        assert_eq!(places.len(), 3, "{container:?}");
    }
    // What is the host's stays, as it was asked for.
    let pool = pool(&Container::new().bind_writable(directory.path(), "/data"), 1);
    let first = place(&pool);
    assert_eq!(stdout(&pool, &sh("echo kept >/data/x")), "");
    assert_eq!(stdout(&pool, &sh("cat /data/x")), "kept");
    assert_eq!(place(&pool), first);
}

#[test]
fn files_of_the_template_are_there_again_in_every_run() {
    let container =
        Container::new().file("/tmp/dir/file", "template").tmpfs(Tmpfs::new("/work")).file("/work/x", "x");
    let pool = pool(&container, 1);
    let first = place(&pool);
    for _ in 0..3 {
        let script =
            "cat /tmp/dir/file /work/x && echo changed >/tmp/dir/file && rm /work/x && touch /work/y";
        assert_eq!(stdout(&pool, &sh(script)), "templatex");
    }
    assert_eq!(place(&pool), first);
}

#[test]
fn a_violation_ends_the_run_and_is_named_in_each() {
    let pool = pool(&Container::new().seccomp(Seccomp::default().kill(["ptrace"])), 1);
    for _ in 0..3 {
        let report = run(&pool, &perl("syscall 101, 0, 0, 0, 0")).report;
        assert_eq!(report.cause(), Cause::Seccomp, "{report:?}");
        assert_eq!(report.violation().and_then(|call| call.name()), Some("ptrace"));
        assert_eq!(stdout(&pool, &sh("echo well")), "well");
    }
}

#[test]
fn an_init_that_is_killed_from_outside_is_replaced() {
    let pool = pool(&Container::new(), 1);
    let mut child = pool.spawn(&Command::new("sleep").arg("1000")).expect("a run");
    let init = init_of(&child);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(init as i32), nix::sys::signal::Signal::SIGKILL)
        .expect("a kill");

    child.wait().expect_err("no report");
    drop(child);

    assert_eq!(stdout(&pool, &sh("echo next")), "next");
}

#[test]
fn a_container_whose_namespaces_another_one_has_joined_serves_once() {
    let pool = pool(&Container::new(), 1);
    let first = place(&pool);
    let mut child = pool.spawn(&sh("read x").stdin(Stdio::piped())).expect("a run");
    let marker = unique_sleep();
    let joining = Container::new().join(Namespaces::USER | Namespaces::PID, &child);
    let other =
        joining.command("sleep").arg(&marker).stdin(Stdio::null()).spawn().expect("a container beside it");

    child.wait().expect("a report");

    assert_ne!(place(&pool), first);
    assert_eq!(stdout(&pool, &sh("ls -d /proc/[0-9]*")), "/proc/1\n/proc/2");
    drop(other);
}

#[test]
fn the_time_of_a_short_run_is_its_own() {
    let pool = pool(&Container::new().wall_time_limit(Duration::from_secs(60)), 2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let report = pool.run(&Command::new("true")).expect("a report");
                    assert_eq!(report.cause(), Cause::Exited, "{report:?}");
                    assert!(report.wall_time() < Duration::from_secs(60), "{report:?}");
                }
            });
        }
    });
}
