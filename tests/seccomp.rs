//! The filter of system calls as the workload meets it. Each denied act has a control: the same act under a policy
//! that allows it.

mod common;

use std::fs;

use cofferdam::{
    Cause, Comparison, Container, ErrorKind, Limit, Namespaces, Report, Seccomp, SeccompAction, Stdio,
    Syscall, SyscallGroup, SyscallRule,
};
use common::calls::{NONE, error, errors, has_perl, number, perl};
use common::helper::is_helper;
use common::limits::{Stopped, allows, host_a_container, probe_first};
use common::{needs_program, on_host, output, sh, skip_for_good, stdout, temp_dir, text};
use tempfile::TempDir;

#[track_caller]
fn report(container: &Container) -> Report {
    output(container).report
}

fn open_to(groups: &[SyscallGroup]) -> Seccomp {
    groups.iter().fold(Seccomp::default(), |policy, group| policy.allow_group(*group))
}

/// One call of each denied group that the kernel refuses for another reason, or not at all, when it gets it.
const DENIED: &[(SyscallGroup, &str)] = &[
    (SyscallGroup::Namespaces, "SYS(unshare), 0"),
    (SyscallGroup::Mounts, "SYS(mount), 1, 1, 1, 0, 1"),
    (SyscallGroup::Keyrings, "SYS(keyctl), 9999"),
    (SyscallGroup::Bpf, "SYS(bpf), 2, 0, 1 << 20"),
    (SyscallGroup::Perf, "SYS(perf_event_open), 0, 0, -1, -1, 0xffff"),
    (SyscallGroup::Userfaultfd, "SYS(userfaultfd), 0xffff"),
    (SyscallGroup::IoUring, "SYS(io_uring_enter), -1, 0, 0, 0xffffffff, 0, 0"),
    (SyscallGroup::FileHandles, "SYS(name_to_handle_at), -1, 0, 1, 1, 0xffffffff"),
    (SyscallGroup::Tracing, "SYS(process_vm_readv), -1, 0, 0, 0, 0, 1"),
    (SyscallGroup::Machine, "SYS(quotactl), 0xff, 0, 0, 0"),
    (SyscallGroup::ClockSetting, "SYS(clock_settime), 9999, 0"),
    (SyscallGroup::Fanotify, "SYS(fanotify_mark), -1, 0xffffffff, 0, 0, 0"),
    (SyscallGroup::PageMoving, "SYS(move_pages), 0, 0, 0, 0, 0, 0xff"),
    (SyscallGroup::SecurityModules, "SYS(lsm_list_modules), 0, 0, 1"),
    (SyscallGroup::PageCache, "SYS(cachestat), -1, 0, 0, 0"),
    (SyscallGroup::Obsolete, "SYS(remap_file_pages), 1, 0, 1, 0, 0"),
];

#[test]
fn every_denied_group_is_refused_until_it_is_allowed() {
    if !has_perl() {
        return;
    }
    let all: Vec<_> = SyscallGroup::all().iter().filter(|group| !group.is_allowed_by_default()).collect();
    let (groups, calls): (Vec<_>, Vec<_>) = DENIED.iter().copied().unzip();
    assert_eq!(groups.iter().collect::<Vec<_>>(), all, "a call for each");

    assert_eq!(errors(Seccomp::default(), &calls), vec![libc::EPERM; calls.len()]);
    let allowed = errors(open_to(&groups), &calls);
    for (group, error) in groups.iter().zip(allowed) {
        assert_ne!(error, libc::EPERM, "{group:?}");
    }
}

#[test]
fn one_group_that_is_allowed_opens_no_other() {
    if !has_perl() {
        return;
    }
    let policy = || open_to(&[SyscallGroup::Perf]);
    assert_eq!(error(policy(), "SYS(perf_event_open), 0, 0, -1, -1, 0xffff"), libc::EINVAL);
    assert_eq!(error(policy(), "SYS(unshare), 0"), libc::EPERM);
}

#[test]
fn ordinary_calls_work() {
    if !has_perl() {
        return;
    }
    let script = "
        socketpair(my $one, my $two, 1, 1, 0) or die; syswrite($one, 'x'); sysread($two, my $read, 1) or die;
        pipe(my $out, my $in) or die; my $child = fork // die; exit 3 unless $child; waitpid($child, 0);
        mkdir '/tmp/a' or die; rename '/tmp/a', '/tmp/b' or die; rmdir '/tmp/b' or die;
        say $? >> 8, ' ', `echo echoed`, call(SYS(personality), 0xffffffff), call(SYS(sched_yield))";
    assert_eq!(stdout(&perl(script)), "3 echoed\n00");
}

#[test]
fn what_is_unknown_is_missing() {
    if !has_perl() {
        return;
    }
    let calls = ["1000", "SYS(clone3), 0, 0", "0x3fffffff"];
    assert_eq!(errors(Seccomp::default(), &calls), [libc::ENOSYS; 3]);
    assert_eq!(errors(Seccomp::default().errno(["clone3"], 7), &calls), [libc::ENOSYS, 7, libc::ENOSYS]);
    assert_eq!(error(Seccomp::unconfined(), "SYS(clone3), 0, 0"), libc::EINVAL);
    // Of a policy that is uniform, numbers that nobody knows are no exception.
    let uniform = Seccomp::new(SeccompAction::Allow).errno(["clone3"], 7);
    assert_eq!(errors(uniform, &calls), [libc::ENOSYS, 7, libc::ENOSYS], "the kernel says so itself");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_of_x32_are_missing() {
    if !has_perl() {
        return;
    }
    let getpid = format!("{}", 0x4000_0000 + number("getpid"));
    assert_eq!(error(Seccomp::default(), &getpid), libc::ENOSYS);
    assert_eq!(error(Seccomp::new(SeccompAction::Allow), &getpid), libc::ENOSYS);
    // It is not asked what the number below is for.
    let killed =
        report(&perl(&format!("call({getpid}); exit 5")).seccomp(Seccomp::default().kill(["getpid"])));
    assert_eq!((killed.cause(), killed.code()), (Cause::Exited, Some(5)));
}

#[test]
fn rubbish_above_a_32_bit_argument_passes_no_filter() {
    if !has_perl() {
        return;
    }
    let rubbish = "(0xdeadbeef << 32 | ";
    let types = format!("SYS(ioctl), 0, {rubbish}{}), 0", libc::TIOCSTI);
    let packet = format!("SYS(socket), {rubbish}{}), 3, 0", libc::AF_PACKET);
    let calls = [types.as_str(), &packet, "SYS(socket), (0xdeadbeef << 32 | 1), 1, 0"];
    assert_eq!(errors(Seccomp::default(), &calls), [libc::EPERM, libc::EAFNOSUPPORT, NONE]);
    let unconfined = errors(Seccomp::unconfined(), &calls);
    assert!(unconfined[0] != libc::EPERM && unconfined[1] != libc::EAFNOSUPPORT, "{unconfined:?}");
}

#[test]
fn sockets_have_the_families_of_the_network_namespace() {
    if !has_perl() {
        return;
    }
    let socket = |family: i32, protocol: i32| format!("SYS(socket), {family}, 3, {protocol}");
    let stream = |family: i32| format!("SYS(socket), {family}, 1, 0");
    let calls = [
        stream(libc::AF_UNIX),
        stream(libc::AF_INET),
        stream(libc::AF_INET6),
        socket(libc::AF_NETLINK, libc::NETLINK_ROUTE),
        socket(libc::AF_NETLINK, libc::NETLINK_GENERIC),
        socket(libc::AF_PACKET, 0),
        stream(libc::AF_VSOCK),
    ];
    let calls: Vec<_> = calls.iter().map(String::as_str).collect();
    let refused = [libc::EPROTONOSUPPORT, libc::EAFNOSUPPORT, libc::EAFNOSUPPORT];
    let inside = errors(Seccomp::default(), &calls);
    assert_eq!((&inside[..4], &inside[4..]), (&[NONE; 4][..], &refused[..]));
    assert_eq!(errors(open_to(&[SyscallGroup::Sockets]), &calls), inside, "as they are allowed by default");
    let open = errors(Seccomp::default().allow(["socket"]), &calls);
    assert_eq!((open[4], open[5]), (NONE, libc::EPERM), "what the kernel says");
    assert_eq!(errors(Seccomp::without_sockets(), &calls), vec![libc::EPERM; calls.len()]);
}

#[test]
fn some_arguments_are_refused_and_others_not() {
    if !has_perl() {
        return;
    }
    // Refused by the kernel as it is: without memory of its own no process has a root of its own.
    let clone = format!("SYS(clone), {}, 0, 0, 0, 0", libc::CLONE_NEWUSER | libc::CLONE_FS);
    let nonsense = format!("SYS(clone), {}, 0, 0, 0, 0", libc::CLONE_THREAD);
    let calls = [clone.as_str(), &nonsense, "SYS(personality), 0x0040000", "SYS(personality), 0"];
    assert_eq!(errors(Seccomp::default(), &calls), [libc::EPERM, libc::EINVAL, libc::EPERM, NONE]);
    assert_eq!(errors(Seccomp::unconfined(), &calls), [libc::EINVAL, libc::EINVAL, NONE, NONE]);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_other_abi_of_the_machine_ends_the_process() {
    let Some(program) = compiled(
        "int main() { long r = 20; __asm__ volatile (\"int $0x80\" : \"+a\"(r)); return r < 0; }",
        "",
    ) else {
        return;
    };
    let container = program.container();
    if !output(&container.clone().seccomp(Seccomp::unconfined())).status.success() {
        return skip_for_good("this kernel has no calls of 32-bit programs");
    }
    let report = report(&container);
    assert_eq!(
        (report.cause(), report.signal(), report.violation()),
        (Cause::Seccomp, Some(libc::SIGSYS), None)
    );
}

/// A program made of C, in a directory that goes with it.
struct Program(TempDir);

impl Program {
    fn container(&self) -> Container {
        Container::new().bind_read_only(self.0.path(), "/box").command("/box/program")
    }
}

/// Or says that the calling test does nothing.
#[track_caller]
fn compiled(source: &str, options: &str) -> Option<Program> {
    probe_first();
    if !needs_program("/usr/bin/gcc") {
        return None;
    }
    let directory = temp_dir();
    let path = directory.path().display();
    fs::write(directory.path().join("program.c"), source).expect("a file");
    on_host(&format!("cd '{path}' && gcc -O1 {options} program.c -o program && chmod 755 program"));
    Some(Program(directory))
}

/// A call that a perl makes only when it is told to, and how a script makes it.
const CALL: &str = "getpgid";
const MAKE_IT: &str = "call(SYS(getpgid), 0)";

fn killing() -> Seccomp {
    Seccomp::default().kill([CALL])
}

#[test]
fn a_kill_ends_the_container_and_names_the_call() {
    if !has_perl() {
        return;
    }
    let script = perl(&format!("say 'before'; {MAKE_IT}; say 'after'"));

    let ended = output(&script.clone().seccomp(killing()));

    assert_eq!((ended.report.cause(), ended.report.signal()), (Cause::Seccomp, Some(libc::SIGKILL)));
    let violation = ended.report.violation().expect("a call");
    assert_eq!((violation.name(), violation.number()), (Some(CALL), number(CALL)));
    assert_eq!(text(&ended.stdout), "before");
    let control = output(&script);
    assert_eq!((control.report.cause(), control.report.violation()), (Cause::Exited, None));
    assert_eq!(text(&control.stdout), "before\nafter");
}

#[test]
fn a_kill_by_one_process_ends_all() {
    if !has_perl() {
        return;
    }
    let script = perl(&format!(
        "my $child = fork; if (!$child) {{ {MAKE_IT}; exit }} waitpid($child, 0); say 'on'; sleep"
    ));

    let ended = output(&script.seccomp(killing()));

    assert_eq!((ended.report.cause(), text(&ended.stdout).as_str()), (Cause::Seccomp, ""));
    assert_eq!(ended.report.violation(), Syscall::named(CALL));
}

#[test]
fn a_kill_holds_with_limits_and_without_namespaces() {
    if !has_perl() {
        return;
    }
    let script = || perl(&format!("{MAKE_IT}; sleep")).seccomp(killing());
    let shared = script().share(Namespaces::PID);
    let mut containers = vec![shared, script().wall_time_limit(std::time::Duration::from_secs(3600))];
    if allows(cofferdam::Feature::Limit(Limit::Pids)) {
        containers.push(script().pids_limit(20));
    }
    for container in containers {
        let report = report(&container);
        assert_eq!((report.cause(), report.violation()), (Cause::Seccomp, Syscall::named(CALL)));
    }
}

#[test]
fn helper_that_never_waits() {
    if is_helper("helper_that_never_waits") {
        host_a_container(&perl(&format!("<STDIN>; {MAKE_IT}; sleep")).seccomp(killing()));
    }
}

#[test]
fn a_kill_needs_no_host_program() {
    if has_perl() {
        assert_eq!(Stopped::start("helper_that_never_waits").cause_of_the_end(), "seccomp");
    }
}

#[test]
fn the_kernels_own_kills_name_no_call() {
    if !has_perl() {
        return;
    }
    for action in [SeccompAction::KillProcess, SeccompAction::KillThread, SeccompAction::Trap] {
        let policy = Seccomp::default().rule(SyscallRule::new([CALL], action));
        let report = report(&perl(&format!("{MAKE_IT}; exit 5")).seccomp(policy));
        assert_eq!((report.cause(), report.signal()), (Cause::Seccomp, Some(libc::SIGSYS)), "{action:?}");
        assert_eq!(report.violation(), None, "{action:?}");
    }
}

#[test]
fn beside_notify_a_kill_is_the_kernels() {
    if !has_perl() {
        return;
    }
    let policy = killing().notify(["umask"]);
    let mut child = perl(&format!("{MAKE_IT}; exit 5")).seccomp(policy).spawn().expect("a container");
    let notifier = child.notifier.take().expect("a notifier");
    let report = child.wait().expect("a report");
    assert!(notifier.next().expect("no error").is_none());
    assert_eq!((report.cause(), report.signal()), (Cause::Seccomp, Some(libc::SIGSYS)));
    assert_eq!(report.violation(), None);
}

#[test]
fn a_trap_can_be_handled() {
    if !has_perl() {
        return;
    }
    let script = format!("$SIG{{SYS}} = sub {{ say 'trapped' }}; {MAKE_IT}; say 'on'");
    assert_eq!(stdout(&perl(&script).seccomp(Seccomp::default().trap([CALL]))), "trapped\non");
    assert_eq!(stdout(&perl(&script)), "on");
}

#[test]
fn a_call_that_is_logged_is_carried_out() {
    if !has_perl() {
        return;
    }
    let policy = Seccomp::default().rule(SyscallRule::new([CALL], SeccompAction::Log));
    let script = format!("say syscall({}, 0) == getpgrp", number(CALL));
    assert_eq!(stdout(&perl(&script).seccomp(policy)), "1");
}

#[test]
fn any_error_number_can_be_given() {
    if !has_perl() {
        return;
    }
    for number in [1, 2, 38, 4095] {
        assert_eq!(error(Seccomp::default().errno([CALL], number), "SYS(getpgid), 0"), number);
    }
    let script = format!("say syscall({}, 0)", number(CALL));
    assert_eq!(
        stdout(&perl(&script).seccomp(Seccomp::default().errno([CALL], 0))),
        "0",
        "it seems to succeed"
    );
    assert_ne!(stdout(&perl(&script)), "0");
}

#[test]
fn rules_look_at_arguments() {
    if !has_perl() {
        return;
    }
    let rule = SyscallRule::new([CALL], SeccompAction::Errno(77)).argument(0, Comparison::Greater(1 << 20));
    let calls = ["SYS(getpgid), 0", "SYS(getpgid), 1 << 21"];
    assert_eq!(errors(Seccomp::default().rule(rule), &calls), [NONE, 77]);
    assert_eq!(errors(Seccomp::default(), &calls), [NONE, libc::ESRCH]);
}

#[test]
fn programs_that_compute_have_threads_and_no_more() {
    probe_first();
    if !needs_program("/usr/bin/python3") {
        return;
    }
    let script = "
import os, socket, threading
done = []
threads = [threading.Thread(target=done.append, args=(n,)) for n in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
def attempt(act):
    try: act(); return 'done'
    except OSError as error: return str(error.errno)
acts = [os.fork, socket.socket, lambda: os.posix_spawn('/bin/true', ['true'], {}),
    lambda: open('/tmp/a', 'w').write('x'), lambda: os.execv('/bin/true', ['true'])]
print(sum(done), *[attempt(act) for act in acts])
";
    let container = Container::new().command("/usr/bin/python3").args(["-c", script]);
    let (compute, ordinary) = (container.clone().seccomp(Seccomp::compute_only()), container);
    assert_eq!(stdout(&compute), "28 1 1 1 done 1");
    // The child that fork makes goes on like its parent; in the end both are /bin/true.
    assert_eq!(report(&ordinary).code(), Some(0));
    assert_eq!(text(&output(&ordinary).stdout), "", "what was printed to memory went with exec");
}

#[test]
fn execve_by_guessing_is_denied() {
    if !has_perl() {
        return;
    }
    let guesses =
        "my $path = '/bin/true'; my @wrong = map { call(SYS(execve), $path, 0, 0, $_, $_, $_) } 0, 1, -1;";
    let script = format!("{guesses} say @wrong; exec '/bin/true'; say $! + 0");
    assert_eq!(stdout(&perl(&script).seccomp(Seccomp::compute_only())), "111\n1");
}

#[test]
fn a_script_starts_under_a_policy_without_execve() {
    let script = Container::new().directory("/tmp/bin").file_with_mode(
        "/tmp/bin/script",
        "#!/bin/sh\necho ran; exec /bin/true\n",
        0o755,
    );
    let script = script.seccomp(Seccomp::compute_only());

    let by_path = output(&script.clone().command("/tmp/bin/script"));
    let by_name = output(&script.clone().env("PATH", "/nowhere:/tmp:/tmp/bin:/bin").command("script"));

    for ended in [by_path, by_name] {
        assert_eq!(
            (text(&ended.stdout).as_str(), ended.status.code()),
            ("ran", Some(126)),
            "it may not go on to another"
        );
    }
}

#[test]
fn a_program_that_is_missing_is_told_as_without_a_filter() {
    for policy in [
        Seccomp::unconfined(),
        Seccomp::default(),
        Seccomp::compute_only(),
        Seccomp::new(SeccompAction::Kill),
    ] {
        for name in ["/no/such/program", "no-such-program"] {
            let container = Container::new().seccomp(policy.clone()).command(name);
            let error = container.spawn().expect_err("no program");
            assert_eq!(
                (error.kind(), error.step(), error.raw_os_error()),
                (ErrorKind::NotFound, "exec", Some(libc::ENOENT)),
                "{error}"
            );
        }
    }
}

#[test]
fn a_policy_that_denies_everything_lets_a_program_start() {
    let source = "void _start(void) {
        register long result __asm__(\"rax\") = 231;
        __asm__ volatile (\"syscall\" : \"+r\"(result) : \"D\"(7L) : \"rcx\", \"r11\", \"memory\");
        __builtin_trap();
    }";
    if cfg!(not(target_arch = "x86_64")) {
        return skip_for_good("the program is for x86_64");
    }
    let Some(program) = compiled(source, "-static -nostdlib -ffreestanding") else { return };
    let under = |policy| report(&program.container().seccomp(policy));

    for action in [SeccompAction::Errno(libc::EPERM), SeccompAction::Errno(libc::ENOSYS)] {
        let denied = under(Seccomp::new(action));
        assert_eq!(
            (denied.cause(), denied.signal()),
            (Cause::Signalled, Some(libc::SIGILL)),
            "it could not even end"
        );
    }
    let killed = under(Seccomp::new(SeccompAction::Kill));
    assert_eq!((killed.cause(), killed.violation()), (Cause::Seccomp, Syscall::named("exit_group")));
    let allowed = under(Seccomp::new(SeccompAction::Kill).allow(["exit_group"]));
    assert_eq!((allowed.cause(), allowed.code()), (Cause::Exited, Some(7)));
}

#[test]
fn a_trial_lists_what_would_be_denied_and_denies_nothing() {
    if !has_perl() {
        return;
    }
    let script = perl(
        "my $child = fork // die; if (!$child) { call(SYS(socket), 1, 1, 0) and die; exit 3 }
         waitpid($child, 0); call(SYS(unshare), 0) and die; call(1000); call(SYS(clone3), 0, 0); exit $? >> 8",
    );
    let quiet =
        perl("open my $file, '<', '/etc/passwd'; say getppid").seccomp(Seccomp::compute_only().report_only());

    let trial = report(&script.clone().seccomp(Seccomp::compute_only().report_only()));

    assert_eq!((trial.cause(), trial.code(), trial.violation()), (Cause::Exited, Some(3), None));
    // What is not there, as clone3(2), is not there in a trial either.
    let mut expected: Vec<_> =
        ["socket", "clone", "unshare"].into_iter().filter_map(Syscall::named).collect();
    expected.sort();
    assert_eq!(trial.would_be_denied(), expected);
    assert_eq!(report(&quiet).would_be_denied(), []);
    assert_eq!(report(&script).would_be_denied(), [], "the control: a policy that denies lists nothing");
}

#[test]
fn an_ordinary_container_without_namespaces_is_filtered() {
    if !has_perl() {
        return;
    }
    let bare = |policy| {
        perl("say call(SYS(perf_event_open), 0, 0, -1, -1, 0xffff)")
            .namespaces(Namespaces::empty())
            .seccomp(policy)
    };
    let result = bare(Seccomp::default()).output();
    let said = result.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(text(&said.stdout), "1");
    assert_eq!(stdout(&bare(Seccomp::unconfined())), libc::EINVAL.to_string());
}

#[test]
fn the_filter_is_in_force_and_the_last_step_but_one() {
    let mode = |container: &Container| {
        let status = stdout(container);
        let field = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        field.map(str::trim).unwrap_or_default().to_owned()
    };
    let cat = Container::new().command("/bin/cat").arg("/proc/self/status");
    let outside = on_host("sed -n 's/^Seccomp:\\s*//p' /proc/self/status");
    assert_eq!(mode(&cat), "2");
    assert_eq!(mode(&cat.clone().seccomp(Seccomp::unconfined())), outside);

    let steps = |container: &Container| {
        let explained = container.explain().expect("a plan");
        explained
            .lines()
            .filter_map(|line| line.split_whitespace().find(|word| word.chars().any(char::is_alphabetic)))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let explained = steps(&sh("true"));
    assert_eq!(explained[explained.len() - 2..], ["seccomp", "exec"], "{explained:?}");
    assert!(!steps(&sh("true").seccomp(Seccomp::unconfined())).contains(&"seccomp".to_owned()));
}

#[test]
fn a_policy_that_cannot_be_meant_is_an_error_before_any_process() {
    for policy in [Seccomp::default().allow(["no_such_call"]), Seccomp::new(SeccompAction::Errno(5000))] {
        let error = sh("true").stdout(Stdio::null()).seccomp(policy).spawn().expect_err("no policy");
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "seccomp"), "{error}");
    }
}
