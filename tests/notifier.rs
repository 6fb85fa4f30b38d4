//! Calls that the host program decides on.

mod common;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use cofferdam::{
    Bind, Cause, Child, Container, Notification, Notifier, Proc, Resource, Seccomp, SeccompAction, Stdio,
};
use common::calls::{errors, has_perl, number, perl};
use common::helper::{is_helper, this_test_in_container};
use common::limits::probe_first;
use common::processes::{is_alive, next_line};
use common::{needs_program, output, skip_for_good, stdout, text};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A static program.
const BUSYBOX: &str = "/bin/busybox";

/// Calls that a perl makes only when it is told to.
const CALLS: [&str; 2] = ["getpgid", "getsid"];

fn notifying() -> Seccomp {
    Seccomp::default().notify(CALLS)
}

#[track_caller]
fn start(script: &str) -> (Child, Notifier) {
    let container = perl(script).seccomp(notifying()).stdout(Stdio::piped()).stdin(Stdio::piped());
    let mut child = container.spawn().expect("a container");
    let notifier = child.notifier.take().expect("a notifier");
    (child, notifier)
}

#[track_caller]
fn next(notifier: &Notifier) -> Notification<'_> {
    notifier.next().expect("no error").expect("a call")
}

/// Runs a script to its end, with a handler for its calls; what it printed.
#[track_caller]
fn served(script: &str, mut handler: impl FnMut(Notification<'_>)) -> String {
    let (child, notifier) = start(script);
    while let Some(call) = notifier.next().expect("no error") {
        handler(call);
    }
    let output = child.wait_with_output().expect("a report");
    assert!(output.status.success(), "{:?}", output.report);
    text(&output.stdout)
}

#[test]
fn the_handler_sees_the_call_and_answers_it() {
    if !has_perl() {
        return;
    }
    let script = format!(
        "say syscall({0}, 7); say call({0}, 8); say syscall({0}, 0) == $$; say syscall({1}, 1 << 40)",
        number("getpgid"),
        number("getsid")
    );
    let mut seen = Vec::new();

    let said = served(&script, |call| {
        let (name, first) = (call.syscall().name().expect("a name"), call.arguments()[0]);
        seen.push((name, first));
        match first {
            7 => call.succeed(1 << 40),
            8 => call.fail(4095),
            0 => call.carry_out(),
            _ => call.succeed(-4),
        }
        .expect("it waits");
    });

    assert_eq!(seen, [("getpgid", 7), ("getpgid", 8), ("getpgid", 0), ("getsid", 1 << 40)]);
    assert_eq!(said, format!("{}\n4095\n1\n-1", 1_u64 << 40), "a C library takes -4 for an error");
    assert_eq!(errors(Seccomp::default(), &["SYS(getpgid), 8"]), [libc::ESRCH], "the control");
}

#[test]
fn an_error_number_that_is_none_is_refused_and_the_call_waits_on() {
    if !has_perl() {
        return;
    }
    for number in [0, -1, 4096] {
        let (mut child, notifier) = start("call(SYS(getpgid), 0); exit 3");
        let error = next(&notifier).fail(number).expect_err("no error number");
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error}");
        assert!(child.try_wait().expect("no error").is_none());
        // It has been handed out, and is not again: only the end of the notifier answers it.
        drop(notifier);
        assert_eq!(child.wait().expect("a report").code(), Some(3));
    }
}

#[test]
fn the_handler_reads_the_memory_of_the_process() {
    if !has_perl() {
        return;
    }
    let script = "my $text = 'from inside'; call(SYS(getpgid), unpack('Q', pack('P', $text)), length $text)";
    let mut read = Vec::new();

    served(script, |call| {
        let [address, length, ..] = call.arguments();
        let mut buffer = vec![0; length as usize];
        let count = call.read_memory(address, &mut buffer).expect("memory");
        assert!(call.read_memory(8, &mut [0; 8]).is_err(), "nothing is there");
        assert!(call.is_waiting());
        read.extend_from_slice(&buffer[..count]);
        call.succeed(0).expect("it waits");
    });

    assert_eq!(text(&read), "from inside");
}

#[test]
fn the_process_is_the_hosts_number_for_it() {
    if !has_perl() {
        return;
    }
    let (mut child, notifier) = start("call(SYS(getpgid), 0)");
    let call = next(&notifier);
    assert_eq!(call.process(), child.id());
    assert!(format!("{call:?}").contains("getpgid"));
    call.carry_out().expect("it waits");
    assert!(child.wait().expect("a report").success());
}

#[test]
fn the_handler_gives_descriptors() {
    if !has_perl() {
        return;
    }
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let script = format!(
        "my $number = syscall({}, 0); open my $given, '>&=', $number or die; print $given 'through it'; close $given",
        number("getpgid")
    );
    served(&script, |call| {
        let given = call.give(writer.as_fd()).expect("room");
        assert!(given > 2, "{given}");
        call.succeed(i64::from(given)).expect("it waits");
    });
    drop(writer);
    let mut said = String::new();
    reader.read_to_string(&mut said).expect("text");
    assert_eq!(said, "through it");
}

#[test]
fn a_process_that_is_killed_while_it_waits_waits_no_more() {
    if !has_perl() {
        return;
    }
    let script = "my $child = fork // die; if (!$child) { call(SYS(getpgid), 0); exit }
        <STDIN>; kill 9, $child; waitpid $child, 0; say 'killed'; <STDIN>; exit 4";
    let (mut child, notifier) = start(script);
    let call = next(&notifier);
    let (id, mut input) = (call.process(), child.stdin.take().expect("a pipe"));
    assert!(is_alive(id) && call.is_waiting());
    input.write_all(b"\n").expect("a reader");
    assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")), "killed");

    assert!(!call.is_waiting());
    let memory = call.read_memory(0x1000, &mut [0; 8]).expect_err("nobody's memory");
    assert_eq!(memory.raw_os_error(), Some(libc::ENOENT), "{memory}");
    let given = call.give(input.as_fd()).expect_err("nobody");
    assert_eq!(given.raw_os_error(), Some(libc::ENOENT), "{given}");
    // That it can bring about at any moment: no error, which could end a handler.
    assert!(!call.succeed(0).expect("no error"), "nobody hears it");

    drop(input);
    assert!(notifier.next().expect("no error").is_none(), "the other one calls nothing");
    assert_eq!(child.wait().expect("a report").code(), Some(4));
}

/// Or whatever the handler has done would be done again. Before Linux 5.19 the kernel has no means against that.
#[test]
fn a_call_that_was_heard_is_not_interrupted_by_a_signal() {
    if !has_perl() {
        return;
    }
    let script = "$SIG{USR1} = sub { say 'signal' }; say call(SYS(getpgid), 0); <STDIN>; exit 4";
    let (mut child, notifier) = start(script);
    let call = next(&notifier);

    child.signal(libc::SIGUSR1).expect("a running workload");

    let mut again = [PollFd::new(notifier.as_fd(), PollFlags::POLLIN)];
    let comes_again = poll(&mut again, PollTimeout::from(100u8)).expect("a listener") > 0;
    if comes_again || !call.is_waiting() {
        return skip_for_good("the kernel lacks SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV");
    }
    call.fail(libc::EACCES).expect("an answer");
    let said = [(); 2].map(|()| next_line(child.stdout.as_mut().expect("a pipe")));
    assert_eq!(said, ["signal".to_owned(), libc::EACCES.to_string()]);
    assert_eq!(child.wait().expect("a report").code(), Some(4));
}

#[test]
fn a_call_of_a_process_that_is_gone_has_no_memory() {
    if !has_perl() {
        return;
    }
    let (mut child, notifier) = start("call(SYS(getpgid), unpack('Q', pack('P', 'x' x 8)))");
    let call = next(&notifier);
    let address = call.arguments()[0];
    assert_eq!(call.read_memory(address, &mut [0; 8]).expect("memory"), 8, "the control: it waits");

    child.signal(libc::SIGKILL).expect("a running workload");
    child.wait().expect("a report");

    assert!(!call.is_waiting());
    let error = call.read_memory(address, &mut [0; 8]).expect_err("of no call");
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "{error}");
    assert!(!call.carry_out().expect("no error"), "nobody hears it");
}

#[test]
fn without_a_notifier_the_calls_are_missing() {
    if !has_perl() {
        return;
    }
    let (child, notifier) = start("say call(SYS(getpgid), 0)");
    next(&notifier);
    drop(notifier);
    let ended = child.wait_with_output().expect("a report");
    assert_eq!(text(&ended.stdout), libc::ENOSYS.to_string());
}

#[test]
fn waiting_takes_a_notifier_that_nobody_took() {
    if !has_perl() {
        return;
    }
    let container = perl("say call(SYS(getpgid), 0)").seccomp(notifying());
    assert_eq!(text(&output(&container).stdout), libc::ENOSYS.to_string());
    let silent = container.stdout(Stdio::null());
    assert!(silent.status().expect("a status").success());
    let mut child = silent.spawn().expect("a container");
    assert!(child.wait().expect("a report").success());
}

#[test]
fn it_can_be_polled_and_hangs_up_in_the_end() {
    if !has_perl() {
        return;
    }
    let (mut child, notifier) = start("<STDIN>; call(SYS(getpgid), 0); exit 3");
    let events = |timeout| {
        let mut fds = [PollFd::new(notifier.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).expect("poll");
        fds[0].revents().expect("known events")
    };
    assert_eq!(events(PollTimeout::ZERO), PollFlags::empty());
    drop(child.stdin.take());
    assert!(events(PollTimeout::NONE).contains(PollFlags::POLLIN));
    next(&notifier).succeed(0).expect("it waits");
    assert_eq!(child.wait().expect("a report").code(), Some(3));
    assert!(events(PollTimeout::NONE).contains(PollFlags::POLLHUP));
    assert!(notifier.next().expect("no error").is_none());
    assert!(notifier.next().expect("no error").is_none(), "and so it remains");
}

#[test]
fn two_threads_share_the_work() {
    if !has_perl() {
        return;
    }
    let script = "for (1 .. 4) { if (!fork) { for (1 .. 25) { call(SYS(getpgid), 0) == 9 or die } exit } }
        while (wait != -1) { die if $? } say 'all'";
    let (child, notifier) = start(script);
    let serve = || {
        let mut count = 0;
        while let Some(call) = notifier.next().expect("no error") {
            call.fail(9).expect("it waits");
            count += 1;
        }
        count
    };
    let count: u32 = thread::scope(|scope| {
        let threads = [scope.spawn(serve), scope.spawn(serve)];
        threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
    });
    assert_eq!(count, 100);
    assert_eq!(text(&child.wait_with_output().expect("a report").stdout), "all");
}

#[test]
fn a_container_that_waits_for_an_answer_can_be_ended() {
    if !has_perl() {
        return;
    }
    let (mut child, notifier) = start("call(SYS(getpgid), 0); exit 3");
    let call = next(&notifier);
    child.kill().expect("init");
    assert_eq!(child.wait().expect("a report").cause(), Cause::Killed);
    assert!(!call.is_waiting());
    assert!(notifier.next().expect("no error").is_none());
}

#[test]
fn a_policy_without_notify_has_no_notifier() {
    for policy in [Seccomp::default(), Seccomp::default().kill(["bpf"]), Seccomp::default().report_only()] {
        let mut child = Container::new().command("/bin/true").seccomp(policy).spawn().expect("a container");
        assert!(child.notifier.is_none());
        assert!(child.wait().expect("a report").success());
    }
}

/// The launcher's own descriptors, of which it does not say the numbers, make way for those that are given.
#[test]
fn descriptors_at_any_number_go_along_with_a_listener() {
    if !has_perl() {
        return;
    }
    let script = "opendir my $listed, '/proc/self/fd'; my $own = fileno $listed;
        say join ' ', grep { $_ != $own } sort { $a <=> $b } grep /\\d/, readdir $listed;
        for (@ARGV) { open my $given, '<&=', $_ or die; print <$given> }";
    let given = |container: Container, number: u32| {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        write!(writer, "<{number}>").expect("room");
        container.fd(number, reader).arg(number.to_string())
    };
    for first in (3..40).step_by(4) {
        for policy in [killing_or_not(false), killing_or_not(true), Seccomp::default().report_only()] {
            let numbers = first..first + 4;
            let said = stdout(&numbers.clone().fold(perl(script).seccomp(policy), given));
            let [one, two, three, four] = [first, first + 1, first + 2, first + 3];
            let open = format!("0 1 2 {one} {two} {three} {four}");
            assert_eq!(said, format!("{open}\n<{one}><{two}><{three}><{four}>"), "and no listener");
        }
    }
}

/// A policy with a listener of the host's, or of init's.
fn killing_or_not(kill: bool) -> Seccomp {
    if kill { Seccomp::default().kill(["bpf"]) } else { Seccomp::default().notify(["getsid"]) }
}

/// Mounts by descriptor are used up before the listener is there, and their numbers are others' then.
#[test]
fn the_listener_goes_to_init_however_many_descriptors_were_used_up() {
    let program = Path::new("/usr/bin/true");
    for mounts in 0..8 {
        for number in [3, 5, 9] {
            let (ours, theirs) = UnixStream::pair().expect("sockets");
            let mut container = Container::new().command("/bin/cat").stdin(OwnedFd::from(theirs));
            for mount in 0..mounts {
                let file = File::open(program).expect("a file");
                container = container.bind(Bind::read_only_fd(file, format!("/mounts/{mount}")));
            }
            let file = File::open("/dev/null").expect("a file");
            let container = container.fd(number, file).seccomp(Seccomp::default().kill(["reboot"]));
            let child = container.stdout(Stdio::null()).spawn().expect("a container");
            ours.set_nonblocking(true).expect("a socket");
            let received = (&ours).read(&mut [0]).expect_err("nothing is sent to the workload's own socket");
            assert_eq!(received.kind(), ErrorKind::WouldBlock, "{mounts} mounts, number {number}");
            drop(ours);
            assert!(
                child.wait_with_output().expect("a report").status.success(),
                "{mounts} mounts, number {number}"
            );
        }
    }
}

/// The listener itself needs a descriptor, and its way to init some more.
#[test]
fn a_low_limit_of_open_files_keeps_no_listener_from_its_way() {
    probe_first();
    if !needs_program(BUSYBOX) {
        return;
    }
    let shell = Container::new().command(BUSYBOX).args(["sh", "-c", "ulimit -n"]);
    let limited = shell.rlimit(Resource::OpenFiles, 3, 3);
    for policy in [Seccomp::default(), notifying(), Seccomp::default().kill(["bpf"])] {
        assert_eq!(stdout(&limited.clone().seccomp(policy)), "3");
    }
}

#[test]
fn helper_under_a_listener() {
    if !is_helper("helper_under_a_listener") {
        return;
    }
    let container = Container::new().command("/bin/true").proc(Proc::NewOrOuter);
    assert!(container.clone().status().expect("a filter without listener").success());
    for policy in [Seccomp::default().kill(["bpf"]), notifying(), Seccomp::default().report_only()] {
        let error = container.clone().seccomp(policy).spawn().expect_err("a second listener");
        assert_eq!((error.step(), error.raw_os_error()), ("seccomp", Some(libc::EBUSY)), "{error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("listener")), "{error}");
    }
}

#[test]
fn helper_without_a_listener() {
    if is_helper("helper_without_a_listener") {
        let container = Container::new().command("/bin/true").proc(Proc::NewOrOuter).seccomp(notifying());
        assert!(container.status().expect("a container").success());
    }
}

#[test]
fn one_process_has_one_listener() {
    let host = |name, policy: Seccomp| output(&this_test_in_container(name).seccomp(policy));
    let open = || Seccomp::new(SeccompAction::Allow);

    for (name, policy) in
        [("helper_without_a_listener", open()), ("helper_under_a_listener", open().kill(["bpf"]))]
    {
        let ended = host(name, policy);
        let (out, err) = (text(&ended.stdout), text(&ended.stderr));
        assert!(ended.status.success() && out.contains("helper"), "{name}\n{out}\n{err}");
    }
}
