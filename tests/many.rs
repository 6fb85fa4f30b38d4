//! Many containers at once, up to what the kernel has room for: each takes little, a refusal is an error that names
//! the limit, and when there is room again the next one starts.
//!
//! No test changes a limit of the machine: it lowers those of a process, or of a user namespace of its own.

mod common;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cofferdam::{Child, Container, Error, Stdio};
use common::cgroups::TestGroup;
use common::helper::{is_helper, printed_by, run_helper, this_test, this_test_through};
use common::limits::counts_refused_processes;
use common::processes::{ProcessState, children_of, eventually, own_cgroups};
use common::{is_root, needs_program, on_host, skip_for_good};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Waits for its end, which nobody wants.
fn idle() -> Container {
    let sleeper = Container::new().command("/bin/sleep").arg("86400");
    sleeper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// What this process holds, but for the launcher, of which the library keeps one.
fn state() -> ProcessState {
    let mut state = ProcessState::now();
    state.descriptors.retain(|descriptor| !descriptor.contains("memfd:cofferdam"));
    state
}

/// Processes of one user count together: tests with hundreds of them, and those that count, take turns.
fn take_turns() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

// Many

/// Of init's own memory, in KiB: what it shares with its like counts by its share.
fn proportional_memory(init: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{init}/smaps_rollup")).expect("smaps_rollup");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn helper_with_many_containers() {
    if !is_helper("helper_with_many_containers") {
        return;
    }
    const COUNT: usize = 300;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("what every program may");
    drop(idle().spawn().expect("a container"));
    let before = ProcessState::now();
    let container = idle();

    let children: Vec<Child> = (0..COUNT).map(|_| container.spawn().expect("a container")).collect();

    let inits = children_of(std::process::id());
    assert_eq!(inits.len(), COUNT);
    let largest = inits.into_iter().map(proportional_memory).max();
    assert!(largest.is_some_and(|kibibytes| kibibytes <= 150), "{largest:?} KiB");
    let now = ProcessState::now();
    assert_eq!(now.descriptors.len() - before.descriptors.len(), 3 * COUNT);
    let low = |state: &ProcessState| {
        let numbers = state.descriptors.iter().filter_map(|line| line.split_once(' ')?.0.parse::<u32>().ok());
        numbers.filter(|number| *number < 256).count()
    };
    assert!(
        low(&now) <= low(&before).max(40),
        "low numbers are left to what lives for a short time: {now:?}"
    );

    Child::end_all(children);

    assert_eq!(ProcessState::now(), before);
}

#[test]
fn three_hundred_containers_at_once() {
    let _turn = take_turns();
    run_helper("helper_with_many_containers");
}

// Limits

/// More than any test here lets start.
const ENOUGH: usize = 400;

/// Starts containers until one is refused.
#[track_caller]
fn fill(container: &Container) -> (Vec<Child>, Error) {
    let mut children = Vec::new();
    while children.len() < ENOUGH {
        match container.spawn() {
            Ok(child) => children.push(child),
            Err(error) => return (children, error),
        }
    }
    panic!("none of {ENOUGH} was refused");
}

/// Meets the limit that this process has, and tells the test that started it of the refusal.
fn meet_the_limit() {
    let container = idle();
    // What the library does once.
    drop(container.spawn());
    let before = state();

    let (mut children, error) = fill(&container);

    let errno = error.raw_os_error().unwrap_or_default();
    println!("REFUSED after {}: {:?} {} {errno} {error}", children.len(), error.kind(), error.step());
    for _ in 0..5 {
        let full = state();
        match container.spawn() {
            Err(_) => assert_eq!(state(), full, "a refusal leaves nothing"),
            // The kernel had not yet taken away what ended before.
            Ok(child) => children.push(child),
        }
    }
    children.pop();
    // The kernel takes some namespaces away in the background.
    eventually("there is room again", || container.spawn().map(|child| children.push(child)).is_ok());
    drop(children);
    assert_eq!(state(), before);
    assert_eq!(own_cgroups(), Vec::<String>::new());
}

#[test]
fn helper_at_a_limit() {
    if is_helper("helper_at_a_limit") {
        meet_the_limit();
    }
}

/// How the helper was refused.
#[derive(Debug)]
struct Refusal {
    containers: usize,
    /// Kind, step and error number, separated by spaces.
    what: String,
    /// As displayed.
    message: String,
}

#[track_caller]
fn refusal_in(printed: &str) -> Refusal {
    let line = printed.lines().find_map(|line| line.split_once("REFUSED after "));
    let (count, rest) = line.expect("a refusal").1.split_once(": ").expect("a number");
    let (what, message) =
        rest.match_indices(' ').nth(2).map(|(at, _)| rest.split_at(at)).expect("four words");
    let containers = count.parse().expect("a number");
    Refusal { containers, what: what.to_owned(), message: message.trim().to_owned() }
}

/// Runs the helper in a user namespace in which this script, which ends with `exec "$0" "$@"`, has been run.
#[track_caller]
fn refusal_in_user_namespace(options: &[&str], script: &str) -> Refusal {
    let arguments = [&["--user", "--map-root-user"], options, &["/bin/sh", "-c", script]].concat();
    const HELPER: &str = "helper_at_a_limit";
    refusal_in(&printed_by(&mut this_test_through("/usr/bin/unshare", &arguments, HELPER), HELPER))
}

const GO_ON: &str = "exec \"$0\" \"$@\"";

#[test]
fn namespaces_of_each_kind_that_are_used_up() {
    if !needs_program("/usr/bin/unshare") {
        return;
    }
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"] {
        let script = format!("echo 4 > /proc/sys/user/max_{kind}_namespaces && {GO_ON}");

        let refusal = refusal_in_user_namespace(&[], &script);

        let is_exhaustion = refusal.what.starts_with("ResourceExhausted ");
        assert!(
            is_exhaustion && refusal.what.ends_with(&format!(" {}", libc::ENOSPC)),
            "{kind}: {refusal:?}"
        );
        // One that has just ended may still count.
        assert!([3, 4].contains(&refusal.containers), "{kind}: {refusal:?}");
        assert!(refusal.message.contains(&format!("user.max_{kind}_namespaces")), "{kind}: {refusal:?}");
    }
}

#[test]
fn process_ids_that_are_used_up() {
    // The number of a PID namespace of its own, since Linux 6.14; the kernel takes none that is lower.
    let script = format!("echo 320 > /proc/sys/kernel/pid_max && {GO_ON}");
    let options = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    if !needs_program("/usr/bin/unshare") {
        return;
    }
    let before = on_host("cat /proc/sys/kernel/pid_max");
    // On an older one the number would be the machine's.
    if !kernel_is_at_least(6, 14) {
        return skip_for_good("the kernel lacks a largest process id for each namespace, before Linux 6.14");
    }

    let _turn = take_turns();
    let refusal = refusal_in_user_namespace(&options, &script);

    assert_is_of_processes(&refusal);
    assert!(refusal.message.contains("kernel.pid_max"), "{refusal:?}");
    assert_eq!(on_host("cat /proc/sys/kernel/pid_max"), before);
}

fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    let release = on_host("uname -r");
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}

/// Init could not be made, or it could not make the workload.
#[track_caller]
fn assert_is_of_processes(refusal: &Refusal) {
    let step = if refusal.message.starts_with("clone:") { "clone" } else { "start-workload" };
    let expected = format!("ResourceExhausted {step} {}", libc::EAGAIN);
    assert_eq!(refusal.what, expected, "{refusal:?}");
    assert!(refusal.containers > 0, "{refusal:?}");
}

#[test]
fn a_cgroup_without_room_for_processes() {
    // With version 2 a group has the controller once the first container was limited.
    if !counts_refused_processes() {
        return;
    }
    let Some(group) = TestGroup::new("pids") else { return };
    fs::write(group.directory.join("pids.max"), "20").expect("the controller pids");
    let script = format!("echo 0 > '{}' && {GO_ON}", group.directory.join("cgroup.procs").display());
    let helper = "helper_at_a_limit";

    let mut host = this_test_through("/bin/sh", &["-c", &script], helper);
    let refusal = refusal_in(&printed_by(&mut host, helper));

    assert_is_of_processes(&refusal);
    assert!(refusal.message.contains("pids.max"), "{refusal:?}");
}

#[test]
fn helper_with_few_processes() {
    if !is_helper("helper_with_few_processes") {
        return;
    }
    let processes = on_host("cat /proc/[0-9]*/status 2>/dev/null | grep -cE \"^Uid:.$(id -u)\"");
    let limit = processes.parse::<u64>().expect("a number") + 40;
    setrlimit(Resource::RLIMIT_NPROC, limit, limit).expect("setrlimit");
    meet_the_limit();
}

#[test]
fn a_limit_of_processes_of_the_user() {
    if is_root() {
        return skip_for_good("root is exempt from RLIMIT_NPROC");
    }
    let _turn = take_turns();
    let refusal = refusal_of("helper_with_few_processes");

    assert_is_of_processes(&refusal);
    assert!(refusal.message.contains("RLIMIT_NPROC"), "{refusal:?}");
}

#[track_caller]
fn refusal_of(helper: &str) -> Refusal {
    refusal_in(&printed_by(&mut this_test(helper), helper))
}

#[test]
fn helper_with_few_descriptors() {
    if is_helper("helper_with_few_descriptors") {
        setrlimit(Resource::RLIMIT_NOFILE, 64, 64).expect("setrlimit");
        meet_the_limit();
    }
}

#[test]
fn a_limit_of_open_files() {
    let refusal = refusal_of("helper_with_few_descriptors");

    let words: Vec<&str> = refusal.what.split(' ').collect();
    assert_eq!((words[0], words[2]), ("ResourceExhausted", &*libc::EMFILE.to_string()), "{refusal:?}");
    assert!(refusal.message.contains("RLIMIT_NOFILE"), "{refusal:?}");
    assert!(refusal.containers >= 10, "{refusal:?}");
}

/// What the helper below may have, from nothing to enough, in KiB.
const ADDRESS_SPACE: [u64; 11] = [0, 64, 128, 160, 192, 224, 256, 320, 512, 1024, 16 << 10];

#[test]
fn helper_with_little_memory() {
    if !is_helper("helper_with_little_memory") {
        return;
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_AS).expect("getrlimit");
    let container = idle();
    drop(container.spawn().expect("a container"));
    let before = state();
    // The helper itself goes on with what it has; the launcher begins with nothing.
    let results = ADDRESS_SPACE.map(|kibibytes| {
        setrlimit(Resource::RLIMIT_AS, kibibytes << 10, hard).expect("setrlimit");
        let result = container.spawn().map(drop);
        setrlimit(Resource::RLIMIT_AS, hard, hard).expect("setrlimit");
        (kibibytes, result)
    });
    for (kibibytes, result) in results {
        match result {
            Ok(()) => println!("FINE with {kibibytes}"),
            Err(error) => println!("REFUSED with {kibibytes}: {:?} {error}", error.kind()),
        }
    }
    assert_eq!(state(), before);
    drop(container.spawn().expect("there is room again"));
}

#[test]
fn memory_that_is_used_up() {
    const HELPER: &str = "helper_with_little_memory";

    let printed = printed_by(&mut this_test(HELPER), HELPER);

    let lines = || printed.lines();
    let refused: Vec<&str> =
        lines().filter_map(|line| line.split_once("REFUSED with ")).map(|(_, rest)| rest).collect();
    assert!(refused.iter().all(|line| line.contains("memory")), "{printed}");
    let exhausted =
        refused.iter().filter(|line| line.contains("ResourceExhausted") && line.contains("RLIMIT_AS"));
    assert!(exhausted.count() > 0, "{printed}");
    let largest = ADDRESS_SPACE[ADDRESS_SPACE.len() - 1];
    assert!(lines().any(|line| line == format!("FINE with {largest}")), "{printed}");
}

/// Fills the mount namespace that it is run in up to some mounts, fewer than a container needs. A mount that is copied
/// to a place below itself, with all that lie there, is twice as many.
const FILL_WITH_MOUNTS: &str = "set -e
    mount -t tmpfs none /mnt
    left=$(($(cat /proc/sys/fs/mount-max) - $(wc -l < /proc/self/mountinfo) - 8))
    while [ $left -gt 0 ]; do
        mkdir /mnt/$left && mount -t tmpfs none /mnt/$left && cd /mnt/$left && size=1
        while [ $((size * 2)) -le $left ]; do
            mkdir $size && mount --rbind . $size && size=$((size * 2))
        done
        left=$((left - size))
    done";

#[test]
fn helper_with_many_mounts() {
    if !is_helper("helper_with_many_mounts") {
        return;
    }
    let container = Container::new().command("/bin/true");
    assert!(container.status().expect("the control").success());
    on_host(FILL_WITH_MOUNTS);
    let before = state();

    let error = container.status().expect_err("no room");

    println!("REFUSED after 0: {:?} {} {:?} {error}", error.kind(), error.step(), error.raw_os_error());
    assert_eq!(state(), before);
    on_host("umount --lazy /mnt");
    assert!(container.status().expect("there is room again").success());
}

#[test]
fn mounts_that_are_used_up() {
    if !needs_program("/usr/bin/unshare") {
        return;
    }
    const HELPER: &str = "helper_with_many_mounts";
    let mut host = this_test_through("/usr/bin/unshare", &["--user", "--map-root-user", "--mount"], HELPER);

    let refusal = refusal_in(&printed_by(&mut host, HELPER));

    assert!(refusal.what.starts_with("ResourceExhausted"), "{refusal:?}");
    assert!(refusal.message.contains("fs.mount-max"), "{refusal:?}");
}
