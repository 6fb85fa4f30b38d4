//! Landlock: what a policy lets the workload do and what it does not, alone where no namespace is new, and as a
//! further layer.

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use cofferdam::{
    Capabilities, Container, Error, ErrorKind, Feature, FileAccess, Landlock, LandlockAbi, Namespaces,
    Resource, Seccomp, Stdio, SyscallGroup,
};
use common::helper::{is_helper, printed_by, this_test_through};
use common::processes::{DEADLINE, start_until_ready};
use common::{
    copy_program, is_root, limits, make_open_dir, namespace_of, namespace_of_host, needs_program, output,
    set_mode, sh, skip, skip_for_good, stdout, succeeds, temp_dir, text,
};
use tempfile::TempDir;

/// Whether the kernel knows this ABI. Where it does not, asking for it must be an error that helps.
#[track_caller]
fn has(abi: LandlockAbi) -> bool {
    if limits::allows(Feature::Landlock(abi)) {
        return true;
    }
    let error = refusal(&sh("true").landlock(Landlock::new(abi).read_execute("/")));
    assert_eq!((error.kind(), error.step()), (ErrorKind::Unsupported, "landlock"), "{error}");
    assert!(error.remedy().is_some(), "{error}");
    match error.raw_os_error() {
        // No machine with this kernel has it.
        None => skip_for_good(&error.to_string()),
        Some(_) => skip(&error.to_string()),
    }
    false
}

/// A container for which no namespace is made. It runs with the ids of the caller, and of root as nobody.
fn bare(script: &str) -> Container {
    sh(script).namespaces(Namespaces::empty())
}

/// What a shell needs to run; everything else about files is denied.
fn shell(abi: LandlockAbi) -> Landlock {
    Landlock::new(abi).read_execute("/usr").read("/etc").path("/dev/null", writing())
}

fn writing() -> FileAccess {
    FileAccess::READ_FILE | FileAccess::WRITE_FILE
}

/// Files are not restricted.
fn all_files(abi: LandlockAbi) -> Landlock {
    Landlock::new(abi).read_execute("/").write("/")
}

/// Two directories that everybody may write, `in` and `out`, each with a file `note`.
fn two_directories() -> (TempDir, PathBuf, PathBuf) {
    let directory = temp_dir();
    let paths = ["in", "out"].map(|name| directory.path().join(name));
    for path in &paths {
        make_open_dir(path);
        fs::write(path.join("note"), "noted\n").unwrap();
        set_mode(&path.join("note"), 0o666);
    }
    let [inside, outside] = paths;
    (directory, inside, outside)
}

#[track_caller]
fn refusal(container: &Container) -> Error {
    container.spawn().map(drop).expect_err("an error")
}

/// A script fails under a policy, for this reason, and succeeds without.
#[track_caller]
fn denied(script: &str, policy: &Landlock, reason: &str) {
    let restricted = output(&bare(script).landlock(policy.clone()));
    assert!(!restricted.status.success(), "{script}: {}", text(&restricted.stdout));
    assert!(text(&restricted.stderr).contains(reason), "{script}: {}", text(&restricted.stderr));
    stdout(&bare(script));
}

#[track_caller]
fn allowed(script: &str, policy: &Landlock) {
    stdout(&bare(script).landlock(policy.clone()));
}

// Files

#[test]
fn files_can_be_read_below_a_rule_and_nowhere_else() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let (_directory, inside, outside) = two_directories();
    let policy = shell(LandlockAbi::V1).read(&inside);

    for act in ["cat DIR/note", "ls DIR"] {
        allowed(&act.replace("DIR", &inside.to_string_lossy()), &policy);
        denied(&act.replace("DIR", &outside.to_string_lossy()), &policy, "Permission denied");
    }
}

#[test]
fn files_can_be_written_below_a_rule_and_nowhere_else() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let (_directory, inside, outside) = two_directories();
    let policy = shell(LandlockAbi::V1).read(&outside).read(&inside).write(&inside);
    let acts = ["echo >> DIR/note", "echo > DIR/new && rm DIR/new", "mkdir DIR/d && rmdir DIR/d"];
    let links = ["ln -s a DIR/link && rm DIR/link", "mkfifo DIR/pipe && rm DIR/pipe"];

    for act in acts.into_iter().chain(links) {
        allowed(&act.replace("DIR", &inside.to_string_lossy()), &policy);
        denied(&act.replace("DIR", &outside.to_string_lossy()), &policy, "Permission denied");
    }
}

#[test]
fn a_right_to_write_is_none_to_read() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let (_directory, inside, _) = two_directories();
    let note = inside.join("note");
    let policy = shell(LandlockAbi::V1).write(&inside);

    allowed(&format!("echo >> {}", note.display()), &policy);
    denied(&format!("cat {}", note.display()), &policy, "Permission denied");
}

#[test]
fn files_can_be_executed_only_where_a_rule_says_so() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let (_directory, inside, _) = two_directories();
    let program = inside.join("true");
    copy_program("/bin/true", &program);
    let run = program.display().to_string();

    allowed(&run, &shell(LandlockAbi::V1).read_execute(&inside));
    denied(&run, &shell(LandlockAbi::V1).read(&inside), "Permission denied");
}

#[test]
fn the_program_itself_needs_a_rule_and_the_error_says_so() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let policies = [
        Landlock::new(LandlockAbi::V1).read("/usr"),
        Landlock::new(LandlockAbi::V1).path("/usr", FileAccess::EXECUTE),
        Landlock::new(LandlockAbi::V1).read_execute("/usr/bin/sh"),
    ];

    for policy in policies {
        let error = refusal(&bare("true").landlock(policy));
        assert_eq!((error.kind(), error.step()), (ErrorKind::PermissionDenied, "exec"), "{error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("Landlock")), "{error}");
    }
}

#[test]
fn truncation_is_a_right_from_abi_3_on() {
    if !has(LandlockAbi::V3) {
        return;
    }
    let (_directory, inside, _) = two_directories();
    let policy = |abi| shell(abi).path(&inside, writing());
    let note = inside.join("note");
    let (truncate, append) = (format!(": > {}", note.display()), format!("echo >> {}", note.display()));

    allowed(&append, &policy(LandlockAbi::V3));
    denied(&truncate, &policy(LandlockAbi::V3), "Permission denied");
    allowed(&truncate, &policy(LandlockAbi::V3).path(&note, FileAccess::TRUNCATE));
    allowed(&truncate, &policy(LandlockAbi::V2));
}

#[test]
fn files_move_between_directories_only_from_abi_2_on_and_where_both_have_the_right() {
    if !has(LandlockAbi::V2) || !needs_program(PERL) {
        return;
    }
    let (_directory, inside, outside) = two_directories();
    let (from, to) = (inside.display(), outside.display());
    // mv(1) would copy the file instead.
    let script = format!("touch {from}/a && perl -e 'rename \"{from}/a\", \"{to}/a\" or die \"$!\\n\"'");
    let both = |abi| shell(abi).write(&inside).write(&outside);
    let one =
        shell(LandlockAbi::V2).write(&inside).path(&outside, FileAccess::MAKE_REG | FileAccess::REMOVE_FILE);

    allowed(&script, &both(LandlockAbi::V2));
    denied(&script, &both(LandlockAbi::V1), "cross-device");
    denied(&script, &one, "cross-device");
}

#[test]
fn devices_are_controlled_only_where_a_rule_says_so_from_abi_5_on() {
    if !has(LandlockAbi::V5) || !needs_program(PERL) {
        return;
    }
    // Of /dev/null every request is unknown: ENOTTY comes from the device, EACCES from the policy.
    let script = r#"perl -e 'open F, "<", "/dev/null" or die; ioctl F, 0x5401, my $b = ""; print $! + 0'"#;
    let errno = |policy: Landlock| stdout(&bare(script).landlock(policy));
    let with = |abi| shell(abi).path("/dev/null", LandlockAbi::V5.file_access() & abi.file_access());

    assert_eq!(errno(shell(LandlockAbi::V5)), libc::EACCES.to_string());
    assert_eq!(errno(with(LandlockAbi::V5)), libc::ENOTTY.to_string());
    assert_eq!(errno(shell(LandlockAbi::V4)), libc::ENOTTY.to_string());
    assert_eq!(stdout(&bare(script)), libc::ENOTTY.to_string());
}

#[test]
fn a_file_gets_the_rights_of_files_and_is_an_error_where_none_remain() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let (_directory, inside, _) = two_directories();
    let note = inside.join("note");

    allowed(&format!("echo >> {}", note.display()), &shell(LandlockAbi::V1).write(&note));
    let only_of_directories = shell(LandlockAbi::V1).path(&note, FileAccess::READ_DIR | FileAccess::MAKE_REG);
    let error = refusal(&bare("true").landlock(only_of_directories));
    assert_eq!((error.step(), error.raw_os_error()), ("landlock-rule", Some(libc::ENOTDIR)), "{error}");
    assert!(error.remedy().is_some(), "{error}");
}

#[test]
fn a_path_that_is_missing_or_closed_is_an_error() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let (directory, inside, _) = two_directories();
    let error = |path: &Path| refusal(&bare("true").landlock(shell(LandlockAbi::V1).read(path)));

    let missing = error(&inside.join("missing"));
    assert_eq!((missing.kind(), missing.step()), (ErrorKind::NotFound, "landlock-rule"), "{missing}");
    assert!(missing.subject().contains("in/missing") && missing.remedy().is_some(), "{missing}");
    set_mode(directory.path(), 0o600);
    let closed = error(&inside);
    assert_eq!((closed.kind(), closed.step()), (ErrorKind::PermissionDenied, "landlock-rule"), "{closed}");
    assert!(closed.remedy().is_some(), "{closed}");
    set_mode(directory.path(), 0o755);
}

#[test]
fn a_limit_of_open_files_that_leaves_no_room_for_rules_is_an_error() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let limited = |count| {
        let container = bare("true").rlimit(Resource::OpenFiles, count, count);
        container.landlock(shell(LandlockAbi::V1))
    };

    assert!(succeeds(&limited(32)));
    let error = refusal(&limited(4));
    assert_eq!((error.kind(), error.step()), (ErrorKind::ResourceExhausted, "landlock-rule"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("OpenFiles")), "{error}");
}

#[test]
fn a_link_is_followed_but_none_of_proc() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let (directory, inside, outside) = two_directories();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("in", &link).unwrap();
    let policy = shell(LandlockAbi::V1).read(&link);

    allowed(&format!("cat {}/note", inside.display()), &policy);
    denied(&format!("cat {}/note", outside.display()), &policy, "Permission denied");
    let error = refusal(&bare("true").landlock(shell(LandlockAbi::V1).read("/proc/self/root")));
    assert_eq!((error.step(), error.raw_os_error()), ("landlock-rule", Some(libc::ELOOP)), "{error}");
}

#[test]
fn a_policy_without_rules_for_files_leaves_them_alone() {
    if !has(LandlockAbi::V4) {
        return;
    }
    let (_directory, inside, _) = two_directories();
    let script = format!("cd {} && cat note && echo > note", inside.display());

    allowed(&script, &Landlock::new(LandlockAbi::V4).deny_tcp());
    denied(&script, &shell(LandlockAbi::V4), "Permission denied");
}

// TCP

const PERL: &str = "/usr/bin/perl";

/// Prints the error number of connecting to a port of the loopback interface; 0 for none.
fn connect(port: u16) -> String {
    perl_socket(&format!("connect(S, sockaddr_in({port}, INADDR_LOOPBACK))"))
}

/// As [`connect`], of binding.
fn bind(port: u16) -> String {
    perl_socket(&format!("bind(S, sockaddr_in({port}, INADDR_LOOPBACK))"))
}

fn perl_socket(call: &str) -> String {
    format!("perl -MSocket -e 'socket S, PF_INET, SOCK_STREAM, 0 or die; print {call} ? 0 : $! + 0'")
}

/// Servers of the host, and their ports.
fn two_servers() -> ([TcpListener; 2], [u16; 2]) {
    let servers = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a port"));
    let ports = servers.each_ref().map(|server| server.local_addr().expect("an address").port());
    (servers, ports)
}

#[track_caller]
fn errno_of(script: &str, policy: Option<&Landlock>) -> i32 {
    let container = bare(script);
    let container = policy.map_or(container.clone(), |policy| container.landlock(policy.clone()));
    stdout(&container).parse().expect("an error number")
}

#[test]
fn tcp_connects_to_the_ports_listed_and_to_no_other() {
    if !has(LandlockAbi::V4) || !needs_program(PERL) {
        return;
    }
    let (_servers, [open, closed]) = two_servers();
    let policy = Landlock::new(LandlockAbi::V4).tcp_connect(open);

    assert_eq!(errno_of(&connect(open), Some(&policy)), 0);
    assert_eq!(errno_of(&connect(closed), Some(&policy)), libc::EACCES);
    assert_eq!(errno_of(&connect(closed), None), 0, "the control: without a policy");
    // A rule for one of the two restricts the other too.
    assert_eq!(errno_of(&bind(0), Some(&policy)), libc::EACCES);
}

#[test]
fn tcp_binds_to_the_ports_listed_and_to_no_other() {
    if !has(LandlockAbi::V4) || !needs_program(PERL) {
        return;
    }
    // Both are taken, which the kernel says only where the policy has let it ask.
    let (_servers, [open, closed]) = two_servers();
    let policy = Landlock::new(LandlockAbi::V4).tcp_bind(open);

    assert_eq!(errno_of(&bind(open), Some(&policy)), libc::EADDRINUSE);
    assert_eq!(errno_of(&bind(closed), Some(&policy)), libc::EACCES);
    assert_eq!(errno_of(&bind(closed), None), libc::EADDRINUSE, "the control: without a policy");
    assert_eq!(errno_of(&bind(0), Some(&policy)), libc::EACCES);
    assert_eq!(errno_of(&bind(0), Some(&policy.clone().tcp_bind(0))), 0, "a port that the kernel chooses");
    assert_eq!(errno_of(&connect(open), Some(&policy)), libc::EACCES);
}

#[test]
fn all_tcp_is_denied_on_request_and_only_then() {
    if !has(LandlockAbi::V6) || !needs_program(PERL) {
        return;
    }
    let (_servers, [port, _]) = two_servers();
    let denied = Landlock::new(LandlockAbi::V4).deny_tcp();
    let not_asked = Landlock::new(LandlockAbi::V6).scope_signals();

    assert_eq!(errno_of(&connect(port), Some(&denied)), libc::EACCES);
    assert_eq!(errno_of(&bind(0), Some(&denied)), libc::EACCES);
    assert_eq!(errno_of(&connect(port), Some(&not_asked)), 0);
    assert_eq!(errno_of(&bind(0), Some(&not_asked)), 0);
}

// Scopes

/// A process of the same user that no policy restricts, and what would signal it.
fn neighbour() -> (cofferdam::Child, String) {
    let neighbour = start_until_ready(bare("echo ready; exec sleep 1000"));
    let script = format!("kill -0 {}", neighbour.id());
    (neighbour, script)
}

#[test]
fn a_scope_keeps_signals_from_processes_outside() {
    if !has(LandlockAbi::V6) {
        return;
    }
    let (_neighbour, signal) = neighbour();
    let scope = Landlock::new(LandlockAbi::V6).scope_signals();

    denied(&signal, &scope, "not permitted");
    allowed(&signal, &all_files(LandlockAbi::V6).deny_tcp().scope_abstract_sockets());
    allowed("sleep 1000 & kill $!", &scope);
}

#[test]
fn a_scope_does_not_keep_signals_of_the_host_from_the_workload() {
    if !has(LandlockAbi::V6) {
        return;
    }
    let scope = Landlock::new(LandlockAbi::V6).scope_signals().scope_abstract_sockets();
    let mut child = start_until_ready(bare("echo ready; exec sleep 1000").landlock(scope));

    child.signal(libc::SIGTERM).unwrap();

    let report = child.wait_timeout(DEADLINE).unwrap().expect("an end");
    assert_eq!(report.signal(), Some(libc::SIGTERM));
}

#[test]
fn a_scope_keeps_abstract_sockets_of_others_out_of_reach() {
    if !has(LandlockAbi::V6) || !needs_program(PERL) {
        return;
    }
    let name = format!("cofferdam-landlock-{}", std::process::id());
    let _server = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let connect = format!(
        "perl -MSocket -e 'socket S, PF_UNIX, SOCK_STREAM, 0 or die; \
         print connect(S, pack(\"Sxa*\", PF_UNIX, \"{name}\")) ? 0 : $! + 0'"
    );
    let scope = Landlock::new(LandlockAbi::V6).scope_abstract_sockets();

    assert_eq!(errno_of(&connect, Some(&scope)), libc::EPERM);
    assert_eq!(errno_of(&connect, None), 0, "the control: without a policy");
    assert_eq!(errno_of(&connect, Some(&Landlock::new(LandlockAbi::V6).scope_signals())), 0);
}

#[test]
fn processes_outside_cannot_be_traced() {
    if !has(LandlockAbi::V4) {
        return;
    }
    let (neighbour, _) = neighbour();
    let look = format!("cat /proc/{}/environ > /dev/null", neighbour.id());

    denied(&look, &all_files(LandlockAbi::V4), "Permission denied");
    denied(&look, &Landlock::new(LandlockAbi::V4).deny_tcp(), "Permission denied");
}

// Where namespaces are forbidden

/// What `/proc/PID/ns` lists.
const KINDS: [&str; 8] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"];

#[test]
fn with_limits_it_needs_no_namespace() {
    if !has(LandlockAbi::V6) {
        return;
    }
    let (_directory, inside, outside) = two_directories();
    let script = format!(
        "ulimit -n; cat {0}/note; cat {1}/note 2>/dev/null || echo denied; echo ready >&2; sleep 1000",
        inside.display(),
        outside.display()
    );
    let policy = shell(LandlockAbi::V6).read(&inside).deny_tcp().scope_signals();
    let container = bare(&script).landlock(policy).rlimit(Resource::OpenFiles, 20, 20);
    let mut child = container.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(common::processes::next_line(child.stderr.as_mut().unwrap()), "ready");

    for kind in KINDS {
        assert_eq!(namespace_of(&child, kind), namespace_of_host(kind), "{kind}");
    }
    let default = start_until_ready(sh("echo ready; exec sleep 1000"));
    assert!(KINDS.iter().all(|kind| namespace_of(&default, kind) != namespace_of_host(kind)), "the control");
    child.kill().unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "20\nnoted\ndenied");
}

#[test]
fn helper_where_namespaces_are_forbidden() {
    if !is_helper("helper_where_namespaces_are_forbidden") {
        return;
    }
    let (_directory, inside, outside) = two_directories();
    let policy = shell(LandlockAbi::V1).read(&inside);

    assert!(sh("true").spawn().is_err(), "the control: a container with namespaces");
    allowed(&format!("cat {}/note", inside.display()), &policy);
    denied(&format!("cat {}/note", outside.display()), &policy, "Permission denied");
}

#[test]
fn it_works_where_namespaces_are_forbidden() {
    const HELPER: &str = "helper_where_namespaces_are_forbidden";
    const UNSHARE: &str = "/usr/bin/unshare";
    if is_root() {
        return skip_for_good("root may make namespaces");
    }
    if !has(LandlockAbi::V1) || !needs_program(UNSHARE) || !needs_program("/usr/bin/setpriv") {
        return;
    }
    // A user namespace in which the sysctls forbid more, and then no capability.
    let forbid = "for file in /proc/sys/user/max_*_namespaces; do echo 0 > $file || exit; done; \
         exec setpriv --ambient-caps -all --inh-caps -all \"$0\" \"$@\"";
    let arguments = ["--user", "--map-current-user", "--keep-caps", "/bin/sh", "-c", forbid];

    printed_by(&mut this_test_through(UNSHARE, &arguments, HELPER), HELPER);
}

// A further layer

#[test]
fn it_is_a_further_layer_in_a_container() {
    if !has(LandlockAbi::V6) || !needs_program(PERL) {
        return;
    }
    let policy = shell(LandlockAbi::V6).read("/tmp").write("/tmp").tcp_bind(8080);
    let policy = policy.scope_signals().scope_abstract_sockets();
    let restricted = |script: &str| sh(script).landlock(policy.clone());

    assert_eq!(stdout(&restricted("cd /tmp && echo a > a && mv a b && cat b; id -u")), "a\n1000");
    assert_eq!(stdout(&restricted(&bind(8080))), "0");
    for script in ["ls /proc > /dev/null", "ls / > /dev/null", "echo > /dev/shm/a", "head -c 1 /dev/zero"] {
        let output = output(&restricted(script));
        assert!(text(&output.stderr).contains("Permission denied"), "{script}: {}", text(&output.stderr));
        stdout(&sh(script));
    }
    assert_eq!(stdout(&restricted(&bind(8081))), libc::EACCES.to_string());
    assert_eq!(stdout(&sh(&bind(8081))), "0");
}

#[test]
fn rules_are_for_paths_as_the_workload_sees_them() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let (directory, inside, outside) = two_directories();
    let script = "cat /data/note; cat /more/note 2> /dev/null; echo >> /more/note; echo >> /data/note";
    let container = sh(script).bind_writable(&inside, "/data").bind_writable(&outside, "/more");
    let policy = shell(LandlockAbi::V1).read("/data").path("/more", FileAccess::WRITE_FILE);

    let restricted = output(&container.clone().landlock(policy));
    assert_eq!(text(&restricted.stdout), "noted");
    assert!(text(&restricted.stderr).contains("cannot create /data/note: Permission denied"));
    assert_eq!(fs::read_to_string(outside.join("note")).unwrap(), "noted\n\n");
    assert_eq!(fs::read_to_string(inside.join("note")).unwrap(), "noted\n");
    assert!(succeeds(&container), "the control: without a policy");
    // The path on the host is none inside.
    let error = refusal(&container.landlock(shell(LandlockAbi::V1).read(directory.path())));
    assert_eq!((error.kind(), error.step()), (ErrorKind::NotFound, "landlock-rule"), "{error}");
}

#[test]
fn rules_hold_in_a_root_file_system_of_the_host() {
    if !has(LandlockAbi::V1) {
        return;
    }
    let policy = shell(LandlockAbi::V1).read("/tmp").write("/tmp");
    let run = |script: &str| sh(script).rootfs("/").landlock(policy.clone());

    assert_eq!(stdout(&run("echo a > /tmp/a && cat /tmp/a")), "a");
    assert!(!succeeds(&run("ls /dev/pts")));
    assert!(succeeds(&sh("ls /dev/pts").rootfs("/")), "the control: without a policy");
    // A rule covers the mounts below it.
    assert!(succeeds(&sh("ls /dev/pts").rootfs("/").landlock(policy.clone().read("/dev"))));
}

#[test]
fn mounts_cannot_be_changed_whatever_the_capabilities() {
    if !has(LandlockAbi::V4) {
        return;
    }
    let mount = sh("mount -t tmpfs test /tmp").user(0, 0).capabilities(Capabilities::SYS_ADMIN);
    let mount = mount.seccomp(Seccomp::default().allow_group(SyscallGroup::Mounts));

    assert!(!succeeds(&mount.clone().landlock(all_files(LandlockAbi::V4))));
    assert!(succeeds(&mount.clone().landlock(Landlock::new(LandlockAbi::V4).deny_tcp())));
    assert!(succeeds(&mount), "the control: without a policy");
}

#[test]
fn a_host_program_below_its_own_policies_nests_up_to_the_kernels_bound() {
    use landlock::{Ruleset, RulesetAttr, Scope};
    if !has(LandlockAbi::V6) {
        return;
    }
    let (_directory, inside, _) = two_directories();
    let look = format!("cat {}/note", inside.display());
    let policy = shell(LandlockAbi::V6);
    // Of this thread only.
    let restrict = || {
        let ruleset = Ruleset::default().scope(Scope::Signal).unwrap().create().unwrap();
        ruleset.restrict_self().unwrap();
    };

    for _ in 0..15 {
        restrict();
    }
    denied(&look, &policy, "Permission denied");
    restrict();
    let error = refusal(&bare(&look).landlock(policy));
    assert_eq!((error.kind(), error.step()), (ErrorKind::ResourceExhausted, "landlock"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("16")), "{error}");
    assert!(succeeds(&bare(&look)), "the control: without one more");
}

// Before anything is created

#[test]
fn the_plan_says_what_is_covered_and_what_is_not() {
    let policy = Landlock::new(LandlockAbi::V4).read_execute("/usr").tcp_bind(80).tcp_bind(0);
    let plan = sh("true").landlock(policy).explain().unwrap();
    let line = |name: &str| plan.lines().find(|line| line.split_whitespace().nth(1) == Some(name));

    assert!(line("landlock-rule").is_some_and(|line| line.ends_with("/usr (execute read-file read-dir)")));
    let expected = "ABI 4: files, truncation of files, TCP ports (bind 0 80, connect none); \
         not ioctl(2) on devices (ABI 5, Linux 6.10), signals (ABI 6, Linux 6.12), \
         abstract Unix sockets (ABI 6, Linux 6.12)";
    assert!(line("landlock").is_some_and(|line| line.ends_with(expected)), "{plan}");
    assert!(!sh("true").explain().unwrap().contains("landlock"));
}

#[test]
fn bad_input_is_refused_before_anything_is_created() {
    let new = Landlock::new;
    let bad = [
        sh("true").landlock(new(LandlockAbi::V6)),
        sh("true").landlock(new(LandlockAbi::V6).read("usr")),
        sh("true").landlock(new(LandlockAbi::V3).read("/").deny_tcp()),
        sh("true").landlock(new(LandlockAbi::V5).scope_signals()),
        sh("true").landlock(new(LandlockAbi::V1).read_execute("/")).no_new_privs(false),
    ];

    for container in bad {
        let error = container.spawn().map(drop).unwrap_err();
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "landlock"), "{error}");
    }
}
