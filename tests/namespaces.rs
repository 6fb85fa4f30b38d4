//! Namespaces: new, shared, joined; and what of the host cannot be reached from inside.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use cofferdam::{Child, Container, ErrorKind, Feature, Host, Limit, Namespaces, Proc, Stdio};
use common::processes::next_line;
use common::{
    is_root, namespace_of, namespace_of_host, needs_program, needs_root, on_host, output, sh, skip,
    skip_for_good, stdout, succeeds, temp_dir,
};

const PERL: &str = "/usr/bin/perl";

/// Starts a program that runs until its standard input is closed: on drop at the latest. It has answered, so
/// execve(2) is over, in the last moments of which the process's namespaces are closed to an ordinary user.
fn running(container: Container) -> Child {
    let container = container.command("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = container.spawn().expect("a container");
    child.stdin.as_mut().expect("a pipe").write_all(b"here\n").expect("a reader");
    assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")), "here");
    child
}

fn kinds() -> impl Iterator<Item = (Namespaces, &'static str)> {
    Namespaces::all().iter().zip(Namespaces::all().names())
}

// New

#[test]
fn every_namespace_is_new_by_default() {
    let child = running(Container::new());

    for (_, name) in kinds() {
        assert_ne!(namespace_of(&child, name), namespace_of_host(name), "{name}");
    }
}

#[test]
fn two_containers_have_no_namespace_in_common() {
    let (one, other) = (running(Container::new()), running(Container::new()));

    for (_, name) in kinds() {
        assert_ne!(namespace_of(&one, name), namespace_of(&other, name), "{name}");
    }
}

#[test]
fn each_kind_is_shared_on_its_own() {
    let shareable = Namespaces::all() - Namespaces::USER;

    for shared in shareable.iter() {
        let child = running(Container::new().proc(Proc::NewOrOuter).share(shared));

        for (kind, name) in kinds() {
            let same = namespace_of(&child, name) == namespace_of_host(name);
            assert_eq!(same, kind == shared, "{name} when {shared:?} is shared");
        }
    }
}

#[test]
fn root_shares_its_user_namespace_with_a_workload_that_is_nobody() {
    if !needs_root("an ordinary user gets namespaces only from a user namespace") {
        return;
    }
    let child = running(Container::new().share(Namespaces::USER));
    let ids = stdout(&sh("id -u; id -g").share(Namespaces::USER));

    assert_eq!(namespace_of(&child, "user"), namespace_of_host("user"));
    assert_eq!(ids, "65534\n65534");
}

#[test]
fn an_ordinary_user_cannot_share_the_user_namespace_alone() {
    if is_root() {
        return skip_for_good("needs an ordinary user");
    }
    let error = sh("true").share(Namespaces::USER).spawn().unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NamespacesForbidden);
    assert!(error.remedy().is_some(), "{error}");
}

// Processes

#[test]
fn only_init_and_the_workload_are_visible() {
    assert_eq!(stdout(&sh("echo /proc/[0-9]*; echo $$")), "/proc/1 /proc/2\n2");
}

#[test]
fn a_process_of_the_host_cannot_be_signalled() {
    let mut host =
        std::process::Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let signal = format!("kill -0 {} || {{ echo unreachable; exit 1; }}", host.id());

    let inside = output(&sh(&signal));
    let outside = on_host(&signal);
    drop(host.stdin.take());
    host.wait().unwrap();

    assert_eq!((inside.status.code(), outside.as_str()), (Some(1), ""));
}

#[test]
fn a_shared_pid_namespace_shows_the_host() {
    let host = format!("test -d /proc/{}", std::process::id());

    assert!(succeeds(&sh(&host).share(Namespaces::PID).proc(Proc::NewOrOuter)));
}

/// Runs a container whose workload leaves a daemon behind, which holds the other end of a socket.
fn daemon_outlives(container: Container) -> bool {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let leave_daemon = "(setsid sleep 1000 >/dev/null 2>&1 &) && exec sleep 0";
    let container = container.command("/bin/sh").args(["-c", leave_daemon]).fd(3, OwnedFd::from(theirs));
    assert!(container.status().expect("a run").success());
    drop(container);
    // End of file, if the daemon is gone. Until they execute, processes that other tests start hold copies.
    ours.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    ours.read(&mut [0]).is_err()
}

#[test]
fn what_the_workload_leaves_running_is_ended() {
    assert!(!daemon_outlives(Container::new()));
}

#[test]
fn what_is_left_in_a_shared_pid_namespace_is_ended() {
    assert!(!daemon_outlives(Container::new().share(Namespaces::PID).proc(Proc::NewOrOuter)));
}

#[test]
fn what_is_left_in_a_joined_pid_namespace_is_ended_and_nothing_else() {
    let mut server = running(Container::new());

    assert!(!daemon_outlives(Container::new().join(Namespaces::USER | Namespaces::PID, &server)));
    assert!(server.try_wait().unwrap().is_none());
}

// Network

const INTERFACES: &str = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '";

#[test]
fn there_is_no_interface_but_loopback() {
    assert_eq!(stdout(&sh(INTERFACES)), "lo");
    assert_eq!(stdout(&sh("tail -n +2 /proc/net/route | wc -l")), "0");
}

#[test]
fn a_shared_network_namespace_has_the_interfaces_of_the_host() {
    assert_eq!(stdout(&sh(INTERFACES).share(Namespaces::NET)), on_host(INTERFACES));
}

/// Listens on a free port of 127.0.0.1, prints it, and answers one connection.
const SERVE: &str = r#"use IO::Socket::INET; $| = 1;
    my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die $@;
    print $server->sockport, "\n";
    my $client = $server->accept; print $client "hello\n";"#;

/// Prints what the port in $ARGV[0] of 127.0.0.1 says.
const FETCH: &str = r#"use IO::Socket::INET;
    my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0]) or die $@;
    print <$server>;"#;

#[test]
fn loopback_is_up() {
    if !needs_program(PERL) {
        return;
    }
    let both = format!(
        r#"pipe(my $r, my $w); if (!fork) {{ open(STDOUT, ">&", $w); {SERVE} exit 0 }}
        chomp(my $port = <$r>); @ARGV = ($port); {FETCH}"#
    );

    assert_eq!(stdout(&Container::new().command(PERL).args(["-e", &both])), "hello");
}

#[test]
fn a_listening_port_of_the_host_is_out_of_reach() {
    if !needs_program(PERL) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!(
        r#"use IO::Socket::INET; exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => {port})"#
    );
    let container = Container::new().command(PERL).args(["-e", &connect]);

    assert!(!succeeds(&container));
    assert!(succeeds(&container.share(Namespaces::NET)));
}

#[test]
fn abstract_sockets_of_the_host_are_out_of_reach() {
    if !needs_program(PERL) {
        return;
    }
    let name = format!("cofferdam-test-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let connect = format!(
        r#"use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
        exit !connect($s, pack_sockaddr_un("\0{name}"))"#
    );
    let container = Container::new().command(PERL).args(["-e", &connect]);

    assert!(!succeeds(&container));
    assert!(succeeds(&container.share(Namespaces::NET)));
}

// IPC

/// A System V shared memory segment of the host, removed on drop.
struct Segment(String);

impl Segment {
    fn new() -> Self {
        let answer = on_host("ipcmk -M 4096");
        Segment(answer.rsplit(' ').next().unwrap().to_owned())
    }

    /// A script that succeeds where the segment is visible.
    fn look(&self) -> String {
        format!("awk '$2 == {} {{ found = 1 }} END {{ exit !found }}' /proc/sysvipc/shm", self.0)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        on_host(&format!("ipcrm -m {}", self.0));
    }
}

#[test]
fn shared_memory_of_the_host_is_invisible() {
    if !needs_program("/usr/bin/ipcmk") {
        return;
    }
    let segment = Segment::new();

    assert!(!succeeds(&sh(&segment.look())));
    assert_eq!(stdout(&sh("tail -n +2 /proc/sysvipc/shm")), "");
    assert!(succeeds(&sh(&segment.look()).share(Namespaces::IPC)));
}

#[test]
fn message_queues_are_the_containers_own() {
    let mut maker = sh("touch /dev/mqueue/orders && echo made && exec cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    next_line(maker.stdout.as_mut().unwrap());
    let look = "ls /dev/mqueue";

    assert_eq!(stdout(&sh(look)), "");
    let kinds = Namespaces::USER | Namespaces::MOUNT | Namespaces::IPC;
    assert_eq!(stdout(&sh(look).join(kinds, &maker)), "orders");
}

// Names, control groups, clocks

#[test]
fn the_host_name_is_the_containers_own() {
    let before = on_host("uname -n");

    assert_eq!(stdout(&sh("uname -n")), "cofferdam");
    assert_eq!(stdout(&sh("uname -n").hostname("judge")), "judge");
    assert_eq!(stdout(&sh("uname -n").share(Namespaces::UTS)), before);
    assert_eq!(on_host("uname -n"), before);
}

#[test]
fn the_own_control_group_is_the_root() {
    if !needs_root("a limit, so that the container has a control group of its own") {
        return;
    }
    if !Host::probe().allows(Feature::Limit(Limit::Pids)) {
        return skip("the pids controller cannot be used here");
    }
    let groups = "cut -d: -f3 /proc/self/cgroup | sort -u";
    let limited = sh(groups).pids_limit(10);

    assert_eq!(stdout(&limited), "/");
    assert_ne!(stdout(&limited.share(Namespaces::CGROUP)), "/");
}

const DAY: i64 = 86_400;

fn uptime(text: &str) -> i64 {
    text.split(['.', ' ']).next().unwrap().parse().unwrap()
}

#[test]
fn the_boot_time_clock_is_moved() {
    let before = uptime(&on_host("cat /proc/uptime"));

    let ahead = uptime(&stdout(&sh("cat /proc/uptime").boottime_offset(1000 * DAY)));
    let equal = uptime(&stdout(&sh("cat /proc/uptime")));

    let after = uptime(&on_host("cat /proc/uptime"));
    assert!((before..=after).contains(&(ahead - 1000 * DAY)), "{before} {ahead} {after}");
    assert!((before..=after).contains(&equal), "{before} {equal} {after}");
}

#[test]
fn the_monotonic_clock_is_moved() {
    if !needs_program(PERL) {
        return;
    }
    let script = format!(
        "{PERL} -MTime::HiRes=clock_gettime,CLOCK_MONOTONIC -e 'print int clock_gettime(CLOCK_MONOTONIC)'"
    );
    let before = uptime(&on_host(&script));

    let ahead = uptime(&stdout(&sh(&script).monotonic_offset(1000 * DAY)));
    let equal = uptime(&stdout(&sh(&script).boottime_offset(1000 * DAY)));

    let after = uptime(&on_host(&script));
    assert!((before..=after).contains(&(ahead - 1000 * DAY)), "{before} {ahead} {after}");
    assert!((before..=after).contains(&equal), "{before} {equal} {after}");
}

#[test]
fn a_clock_cannot_become_negative() {
    let error = sh("true").monotonic_offset(-4_000_000_000).spawn().unwrap_err();

    assert_eq!(error.step(), "time-offsets");
}

// Joined

#[test]
fn a_client_joins_the_network_of_a_running_server() {
    if !needs_program(PERL) {
        return;
    }
    let server = Container::new().command(PERL).args(["-e", SERVE]);
    let mut server = server.stdout(Stdio::piped()).spawn().unwrap();
    let port = next_line(server.stdout.as_mut().unwrap());
    let client = Container::new().command(PERL).args(["-e", FETCH, &port]);

    assert!(!succeeds(&client));
    assert_eq!(stdout(&client.join(Namespaces::USER | Namespaces::NET, &server)), "hello");
    assert!(server.wait().unwrap().success());
}

#[test]
fn each_kind_is_joined_along_with_the_user_namespace() {
    let target = running(Container::new());

    for (joined, joined_name) in kinds() {
        let container = Container::new().join(joined | Namespaces::USER, &target);
        let child = running(container);

        for (kind, name) in kinds() {
            let same = namespace_of(&child, name) == namespace_of(&target, name);
            let expected = kind == joined || kind == Namespaces::USER;
            assert_eq!(same, expected, "{name} when {joined_name} is joined");
        }
    }
}

#[test]
fn all_kinds_are_joined_at_once() {
    let target = running(Container::new());
    let child = running(Container::new().join(Namespaces::all(), &target));

    for (_, name) in kinds() {
        assert_eq!(namespace_of(&child, name), namespace_of(&target, name), "{name}");
    }
}

#[test]
fn namespaces_are_joined_by_path() {
    let target = running(Container::new().hostname("joined"));
    let path = |kind: &str| format!("/proc/{}/ns/{kind}", target.id());
    let container = sh("uname -n")
        .join(Namespaces::UTS, path("uts").as_str())
        .join(Namespaces::USER, path("user").as_str());

    assert_eq!(stdout(&container), "joined");
}

#[test]
fn namespaces_are_joined_by_descriptor() {
    let target = running(Container::new().hostname("joined"));
    let open = |kind: &str| OwnedFd::from(File::open(format!("/proc/{}/ns/{kind}", target.id())).unwrap());
    let container = sh("uname -n").join(Namespaces::UTS, open("uts")).join(Namespaces::USER, open("user"));

    assert_eq!(stdout(&container), "joined");
}

#[test]
fn root_joins_a_namespace_without_its_user_namespace() {
    if !needs_root("others must join the owner, too") {
        return;
    }
    let target = running(Container::new().hostname("joined"));

    assert_eq!(stdout(&sh("uname -n").join(Namespaces::UTS, &target)), "joined");
}

#[test]
fn a_joined_mount_namespace_has_the_files_of_the_other() {
    let mut target = sh("echo secret > /tmp/note && echo made && exec cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    next_line(target.stdout.as_mut().unwrap());

    let joined = sh("cat /tmp/note").join(Namespaces::USER | Namespaces::MOUNT, &target);

    assert_eq!(stdout(&joined), "secret");
    assert!(!succeeds(&sh("cat /tmp/note")));
}

#[test]
fn a_joined_pid_namespace_shows_the_processes_of_the_other() {
    let target = running(Container::new());

    let names = stdout(&sh("cat /proc/2/comm").join(Namespaces::USER | Namespaces::PID, &target));

    assert_eq!(names, "cat");
}

#[test]
fn a_file_that_is_no_namespace_cannot_be_joined() {
    let directory = temp_dir();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();

    let error = sh("true").join(Namespaces::NET, file.as_path()).spawn().unwrap_err();
    let missing = sh("true").join(Namespaces::NET, "/no/such/namespace").spawn().unwrap_err();

    assert_eq!(error.step(), "join-namespace");
    assert_eq!((missing.step(), missing.kind()), ("join-namespace", ErrorKind::NotFound));
}

#[test]
fn contradictions_are_refused() {
    let both = Container::new().join(Namespaces::NET, "/proc/self/ns/net").namespaces(Namespaces::all());
    let twice = Container::new()
        .join(Namespaces::NET, "/proc/self/ns/net")
        .join(Namespaces::NET, "/proc/self/ns/net");
    let name = Container::new().share(Namespaces::UTS).hostname("judge");
    let clock = Container::new().share(Namespaces::TIME).boottime_offset(1);

    for container in [both, twice, name, clock] {
        let error = container.command("/bin/true").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}
