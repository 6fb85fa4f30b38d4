//! Further commands in a running container.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use cofferdam::{Cause, Child, Command, Container, ErrorKind, Limit, Resource, Seccomp, Stdio};
use common::calls::has_perl;
use common::limits::probe_first;
use common::processes::{eventually, is_alive, processes_with, unique_sleep};
use common::{output, temp_dir, text};

/// A container whose workload waits for the end of its standard input.
fn running(container: &Container) -> Child {
    probe_first();
    let container = container.clone().command("cat").stdin(Stdio::piped()).stdout(Stdio::piped());
    container.spawn().expect("a container")
}

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

#[track_caller]
fn stdout(child: &Child, command: &Command) -> String {
    let output = child.exec_output(command).unwrap_or_else(|error| panic!("cannot run: {error}"));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\nstdout: {out}\nstderr: {err}", output.status);
    out
}

#[test]
fn a_command_is_confined_as_the_workload_is() {
    let look = "id; pwd; env | sort; hostname; cat /proc/self/cgroup; \
                for n in user mnt pid net ipc uts cgroup time; do test $n = cgroup || readlink /proc/self/ns/$n; done; \
                grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status; ls /proc/self/fd | wc -l; ulimit -a; umask; \
                unshare -U true; kill -0 1";
    let container =
        Container::new().env("A", "b").current_dir("/usr").umask(0o77).rlimit(Resource::OpenFiles, 50, 60);
    // The same container, which looks at itself and then runs on.
    let script = format!("({look}) 2>&1; echo END; exec cat");
    let own =
        container.clone().command("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    probe_first();
    let mut child = own.spawn().expect("a container");
    let mut said = String::new();
    let mut byte = [0];
    while !said.ends_with("END\n") {
        child.stdout.as_mut().expect("a pipe").read_exact(&mut byte).expect("more");
        said.push(byte[0] as char);
    }

    let beside = stdout(&child, &sh(&format!("({look}) 2>&1; true")));

    assert_eq!(beside, said.trim_end_matches("END\n").trim_end());
}

#[test]
fn it_sees_the_workload_and_its_files() {
    let child = running(&Container::new());
    assert_eq!(stdout(&child, &sh("echo kept >/tmp/file; cat /proc/2/comm; kill -0 2; echo $?")), "cat\n0");
    assert_eq!(stdout(&child, &sh("cat /tmp/file")), "kept");
}

#[test]
fn a_command_says_what_is_its_own() {
    let child = running(&Container::new().env("KEPT", "a").env("GONE", "b").current_dir("/usr"));
    let directory = temp_dir();
    let file = directory.path().join("given");
    std::fs::write(&file, "given").expect("a file");
    let own = sh("echo $KEPT ${GONE-none} $NEW; pwd; cat; cat <&9; ulimit -n")
        .env("NEW", "c")
        .env_remove("GONE")
        .current_dir("/tmp")
        .stdin(File::open(&file).expect("the file"))
        .fd(9, File::open(&file).expect("the file"))
        .rlimit(Resource::OpenFiles, 30, 30);
    assert_eq!(stdout(&child, &own), "a none c\n/tmp\ngivengiven30");
}

#[test]
fn many_run_at_once_each_with_its_own_streams_and_report() {
    let child = running(&Container::new());
    let start = |number: u32| {
        let script = format!("read x; echo {number} $x; exit {number}");
        child.exec(&sh(&script).stdin(Stdio::piped()).stdout(Stdio::piped())).expect("a command")
    };
    let mut commands: Vec<_> = (0..40).map(|number| (number, start(number))).collect();

    for (number, command) in commands.iter_mut().rev() {
        let line = format!("word{number}\n");
        command.stdin.take().expect("a pipe").write_all(line.as_bytes()).expect("a reader");
    }
    for (number, command) in commands {
        let output = command.wait_with_output().expect("a report");
        assert_eq!(text(&output.stdout), format!("{number} word{number}"));
        assert_eq!((output.report.cause(), output.report.code()), (Cause::Exited, Some(number as i32)));
    }
}

#[test]
fn commands_come_from_many_threads() {
    let child = running(&Container::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let child = &child;
            scope.spawn(move || {
                for round in 0..10 {
                    let word = format!("{thread}-{round}");
                    assert_eq!(stdout(child, &Command::new("echo").arg(&word)), word);
                }
            });
        }
    });
}

#[test]
fn more_than_there_is_room_for_is_an_error_until_one_ends() {
    let child = running(&Container::new());
    let waiting = || child.exec(&sh("read x").stdin(Stdio::piped()));
    let mut commands: Vec<_> = (0..64).map(|_| waiting().expect("a command")).collect();

    let error = waiting().expect_err("the 65th");
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (ErrorKind::ResourceExhausted, Some(libc::EAGAIN)),
        "{error}"
    );
    assert!(error.remedy().is_some());

    commands.pop().expect("one").wait().expect("a report");
    waiting().expect("there is room again");
}

#[test]
fn the_report_is_that_of_the_command() {
    let mut child = running(&Container::new());
    let quick = child.exec_output(&sh("exit 3")).expect("a report").report;
    let killed = child.exec_output(&sh("kill -9 $$")).expect("a report").report;
    let busy =
        child.exec_output(&sh("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")).expect("a report").report;

    assert_eq!((quick.cause(), quick.code()), (Cause::Exited, Some(3)));
    assert_eq!((killed.cause(), killed.signal()), (Cause::Signalled, Some(9)));
    assert!(busy.cpu_time() > quick.cpu_time() && busy.wall_time() > quick.wall_time(), "{busy:?} {quick:?}");
    assert!(busy.wall_time() > Duration::ZERO && busy.memory_peak() > 0, "{busy:?}");
    let own = child.wait().expect("a report");
    assert_eq!(own.cause(), Cause::Exited);
}

#[test]
fn a_limit_of_time_or_output_ends_the_command_and_nothing_else() {
    let child = running(&Container::new());
    let slow = Command::new("sleep").arg("1000").wall_time_limit(Duration::from_millis(50));
    assert_eq!(child.exec_output(&slow).expect("a report").report.cause(), Cause::WallTime);
    let talking = child.exec_output(&Command::new("yes").output_limit(1000)).expect("a report");
    assert_eq!((talking.report.cause(), talking.stdout.len()), (Cause::Output, 1000));
    let large = sh("head -c 1M /dev/zero >/tmp/x").file_size_limit(1000);
    assert!(!child.exec_output(&large).expect("a report").status.success());

    assert_eq!(stdout(&child, &sh("head -c 1M /dev/zero | wc -c; cat /proc/2/comm")), "1048576\ncat");
}

#[test]
fn what_only_a_group_could_hold_is_an_error() {
    let child = running(&Container::new());
    for command in [
        sh("true").memory_limit(1 << 20),
        sh("true").pids_limit(3),
        sh("true").cpu_time_limit(Duration::from_secs(1)),
    ] {
        let error = child.exec(&command).expect_err("no group");
        assert_eq!(error.kind(), ErrorKind::LimitUnavailable, "{error}");
        assert!(error.remedy().is_some());
    }
    for command in [sh("true").file("/tmp/x", ""), sh("true").collect("/tmp/x", 1)] {
        assert_eq!(child.exec(&command).expect_err("no files").kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(stdout(&child, &sh("echo well")), "well");
}

#[test]
fn a_command_that_cannot_be_executed_is_an_error_and_nothing_else_happens() {
    let child = running(&Container::new());
    let error = child.exec(&Command::new("no-such-program")).expect_err("no program");
    assert_eq!((error.step(), error.raw_os_error()), ("exec", Some(libc::ENOENT)), "{error}");
    let error = child.exec(&sh("true").current_dir("/none")).expect_err("no directory");
    assert_eq!((error.step(), error.raw_os_error()), ("working-directory", Some(libc::ENOENT)), "{error}");
    assert_eq!(stdout(&child, &sh("ls /proc | grep -c '^[0-9]'")), "5");
}

#[test]
fn killed_or_dropped_it_ends_with_its_process_group() {
    let child = running(&Container::new());
    let marker = unique_sleep();
    let both = || child.exec(&sh(&format!("sleep {marker} & sleep {marker}"))).expect("a command");
    let mut killed = both();
    eventually("two processes", || processes_with(&marker) >= 2);
    killed.kill().expect("a kill");
    assert_eq!(killed.wait().expect("a report").cause(), Cause::Killed);
    eventually("their end", || processes_with(&marker) == 0);

    let dropped = both();
    let id = dropped.id();
    eventually("two processes", || processes_with(&marker) >= 2);
    drop(dropped);
    eventually("their end", || processes_with(&marker) == 0 && !is_alive(id));
    assert_eq!(stdout(&child, &sh("echo well")), "well");
}

#[test]
fn what_it_leaves_running_goes_on_and_ends_with_the_container() {
    let mut child = running(&Container::new());
    let marker = unique_sleep();
    assert_eq!(stdout(&child, &sh(&format!("setsid sleep {marker} >/dev/null 2>&1 & echo left"))), "left");
    eventually("a process that is left", || processes_with(&marker) > 0);

    child.wait().expect("a report");

    eventually("its end", || processes_with(&marker) == 0);
}

#[test]
fn the_end_of_the_container_ends_the_command() {
    let mut child = running(&Container::new());
    let mut command = child.exec(&Command::new("sleep").arg("1000")).expect("a command");
    assert!(command.try_wait().expect("no report yet").is_none());

    child.wait().expect("a report");

    assert_eq!(command.wait().expect("a report").cause(), Cause::Killed);
    let error = child.exec(&sh("true")).expect_err("it has ended");
    assert_eq!((error.step(), error.raw_os_error()), ("exec", Some(libc::ESRCH)), "{error}");
}

#[test]
fn a_violation_of_a_command_ends_the_container_and_is_named() {
    if !has_perl() {
        return;
    }
    let mut child = running(&Container::new().seccomp(Seccomp::default().kill(["ptrace"])));
    let command = Command::new("perl").args(["-e", "syscall 101, 0, 0, 0, 0; print 'on'"]);

    let report = child.exec_output(&command).expect("a report").report;

    assert_eq!(report.cause(), Cause::Seccomp, "{report:?}");
    assert_eq!(report.violation().and_then(|call| call.name()), Some("ptrace"));
    assert_eq!(child.wait().expect("a report").cause(), Cause::Seccomp);
}

#[test]
fn it_counts_for_the_limits_of_the_container() {
    if !common::limits::counts_refused_processes() {
        return;
    }
    let mut child = running(&Container::new().pids_limit(4));
    let forking = sh("sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000");
    let said = text(&child.exec_output(&forking).expect("a report").stderr);
    assert!(said.contains("fork"), "{said}");
    assert!(child.wait().expect("a report").reached().contains(&Limit::Pids));
}

#[test]
fn a_run_in_a_pool_has_further_commands_too() {
    probe_first();
    let pool = cofferdam::Pool::new(&Container::new(), 1).expect("a pool");
    for _ in 0..2 {
        let mut child = pool.spawn(&sh("echo own >/tmp/x; exec cat").stdin(Stdio::piped())).expect("a run");
        assert_eq!(
            stdout(&child, &sh("until cat /tmp/x 2>/dev/null; do :; done; echo more >/tmp/more")),
            "own"
        );
        assert_eq!(stdout(&child, &sh("ls -A /tmp")), "more\nx");
        child.wait().expect("a report");
    }
}

#[test]
fn without_namespaces_it_works_as_well() {
    probe_first();
    let container =
        Container::new().namespaces(cofferdam::Namespaces::empty()).seccomp(Seccomp::unconfined());
    let child = running(&container);
    assert_eq!(stdout(&child, &sh("echo well")), "well");
    let alone = output(&container.clone().command("sh").args(["-c", "id -u; pwd"]));
    assert_eq!(stdout(&child, &sh("id -u; pwd")), text(&alone.stdout));
}
