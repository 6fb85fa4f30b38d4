//! A test for each defect that was found by review or by accident, and is not covered by the file of its
//! promise.

#![allow(unsafe_code)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cofferdam::{
    Bind, Cause, Container, ErrorKind, Feature, IdMap, IdMapping, Limit, Namespaces, Overlay, Stdio,
};
use common::cgroups::TestGroup;
use common::helper::{is_helper, printed_by, this_test, this_test_through};
use common::limits::{allows, can_account};
use common::processes::{eventually, is_alive};
use common::{output, sh, skip_for_good, stdout, temp_dir};
use nix::sys::stat::Mode;

/// Bytes of a file that must not show in a figure of memory.
const LARGE: usize = 32 << 20;

#[test]
fn helper_joins_with_groups() {
    if !is_helper("helper_joins_with_groups") {
        return;
    }
    let owner = sh("sleep 86400").spawn().expect("a container");
    let joined = Container::new().command("/usr/bin/id").arg("-G").join(Namespaces::USER, &owner);
    println!("groups {}", stdout(&joined.share(Namespaces::MOUNT)));
}

#[test]
fn the_groups_of_root_do_not_follow_into_a_user_namespace_that_is_joined() {
    if !common::needs_root("an ordinary user may not drop groups") {
        return;
    }
    let with_groups = ["--groups", "4,42"];
    let mut helper = this_test_through("setpriv", &with_groups, "helper_joins_with_groups");

    let printed = printed_by(&mut helper, "helper_joins_with_groups");

    assert!(printed.contains("groups 1000\n") || printed.ends_with("groups 1000"), "{printed}");
}

#[test]
fn groups_in_a_joined_user_namespace_are_refused() {
    let owner = sh("sleep 86400").spawn().expect("a container");

    let error = sh("true").join(Namespaces::USER, &owner).groups([7]).spawn().expect_err("refused");

    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "groups"));
}

#[test]
fn a_fifo_in_a_layer_keeps_nobody_waiting() {
    let layer = temp_dir();
    nix::unistd::mkfifo(&layer.path().join("place"), Mode::from_bits_truncate(0o666)).expect("mkfifo");
    let overlay = Overlay::new("/data").lower(layer.path());

    let container = sh("cat /data/place").overlay(overlay).file("/data/place", "made up");

    assert_eq!(stdout(&container), "made up");
}

#[test]
fn a_file_behind_a_link_to_a_writable_bind_leaves_the_hosts_as_it_is() {
    let host = temp_dir();
    fs::set_permissions(host.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    fs::write(host.path().join("note"), "the host's").expect("write");
    let container = sh("cat /var/tmp/note").bind(Bind::writable(host.path(), "/tmp"));

    // The default view has a link from /var/tmp to /tmp.
    let seen = stdout(&container.clone().file("/var/tmp/note", "made up"));

    assert_eq!(seen, "made up");
    assert_eq!(stdout(&container), "the host's", "the control: the link leads there");
    assert_eq!(fs::read_to_string(host.path().join("note")).expect("read"), "the host's");
}

#[test]
fn a_file_on_a_file_system_of_the_containers_own_can_be_removed() {
    let container = sh("rm /tmp/mine && ls /tmp | wc -l").file("/tmp/mine", "x");

    assert_eq!(stdout(&container), "0");
}

#[test]
fn large_files_arrive_whole_and_do_not_count_as_the_workloads_memory() {
    let content: Vec<u8> = (0..LARGE).map(|index| (index / 4096 % 251) as u8).collect();
    let sum = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    let small = output(&sh("exit 0"));

    let result = output(&sh("cksum /tmp/large; stat -c %s /tmp/large").file("/tmp/large", &content));

    let on_host = temp_dir();
    fs::write(on_host.path().join("large"), &content).expect("write");
    let expected = common::on_host(&format!("cksum {}/large", on_host.path().display()));
    let seen = common::text(&result.stdout);
    assert_eq!(sum(&seen), sum(&expected));
    assert!(seen.ends_with(&LARGE.to_string()), "{seen}");
    let (peak, base) = (result.report.memory_peak(), small.report.memory_peak());
    assert!(peak < base + (LARGE as u64) / 2, "{peak} against {base}");
}

#[test]
fn files_larger_than_any_fixed_room_fit_over_a_directory() {
    let Some(root) = common::busybox_root() else { return };
    let content = vec![b'x'; 40 << 20];
    let container = Container::new().rootfs(root.path()).tmp_size(1 << 20);
    let container = container.file("/first", &content).file("/second", &content);

    let sizes = stdout(&container.command("/bin/busybox").args(["stat", "-c", "%s", "/first", "/second"]));

    assert_eq!(sizes, format!("{0}\n{0}", content.len()));
}

#[test]
fn helper_forks_while_it_collects() {
    if !is_helper("helper_forks_while_it_collects") {
        return;
    }
    // SAFETY: the child calls only async-signal-safe functions.
    let fork = || match unsafe { libc::fork() } {
        // SAFETY: both are async-signal-safe.
        0 => unsafe {
            libc::sleep(200);
            libc::_exit(0)
        },
        pid => pid,
    };
    let forks = std::thread::spawn(move || (0..200).map(|_| fork()).collect::<Vec<_>>());
    for _ in 0..50 {
        assert_eq!(stdout(&sh("echo this")), "this");
    }
    for pid in forks.join().expect("forks") {
        // SAFETY: a child of this process that nobody has waited for.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    println!("collected");
}

#[test]
fn a_fork_that_holds_a_pipe_does_not_keep_its_reader() {
    let mut helper = this_test("helper_forks_while_it_collects");
    let begun = std::time::Instant::now();

    let printed = printed_by(&mut helper, "helper_forks_while_it_collects");

    assert!(printed.contains("collected"), "{printed}");
    assert!(begun.elapsed() < Duration::from_secs(150), "it waited for the forks");
}

#[test]
fn a_directory_or_a_missing_bind_does_not_take_the_place_of_a_default() {
    let made = sh("echo x > /tmp/x && cat /tmp/x /proc/self/comm && echo y > /dev/null");

    let container = made.directory("/tmp").directory("/proc").directory("/dev");
    assert_eq!(stdout(&container), "x\ncat");

    let missing = Bind::writable("/no/such/place", "/tmp").optional();
    assert_eq!(stdout(&sh("echo x > /tmp/x && cat /tmp/x").bind(missing)), "x");
}

#[test]
fn more_layers_than_the_kernel_takes_are_refused_not_cut_off() {
    let layer = temp_dir();
    let deep = layer.path().join("d".repeat(200));
    fs::create_dir(&deep).expect("mkdir");
    let layers = |count| (0..count).fold(Overlay::new("/data"), |overlay, _| overlay.lower(&deep));

    let error = sh("true").overlay(layers(1000)).spawn().expect_err("refused");

    assert_eq!(error.step(), "overlay", "{error}");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_host_runs_no_program_for_a_core_dump() {
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_CORE).expect("getrlimit");
    let limits = stdout(&sh("grep 'Max core file size' /proc/self/limits"));

    // With 0 the kernel starts a program that core_pattern names, with 1 it does not.
    let words: Vec<_> = limits.split_whitespace().collect();
    let expected = hard.min(1).to_string();
    assert_eq!(words[4..6], [expected.as_str(), expected.as_str()], "{limits}");
    assert_eq!(stdout(&sh("cd /tmp; sh -c 'kill -SEGV $$'; ls | wc -l")), "0");
}

#[test]
fn a_workload_that_stops_an_init_it_can_reach_is_ended_all_the_same() {
    let shared = || sh("kill -STOP $PPID; echo stopped; sleep 86400").share(Namespaces::PID);

    let mut child = shared().stdout(Stdio::piped()).spawn().expect("a container");
    let mut said = [0; 8];
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut said).expect("a word");
    child.kill().expect("kill");

    assert_eq!(child.wait().expect("a report").cause(), Cause::Killed);
    drop(shared().spawn().expect("a container"));
}

#[test]
fn addresses_are_randomised_whatever_the_host_has_set() {
    let name = "helper_without_randomisation";
    let mut helper = this_test_through("setarch", &["-R"], name);

    assert!(printed_by(&mut helper, name).contains("personality 00000000"));
}

#[test]
fn helper_without_randomisation() {
    if is_helper("helper_without_randomisation") {
        println!("personality {}", stdout(&sh("cat /proc/self/personality")));
    }
}

#[test]
fn id_zero_of_a_range_owns_what_init_makes() {
    if !common::needs_root("ranges of ids") {
        return;
    }
    let range = vec![IdMap { inside: 0, outside: 300_000, count: 2000 }];
    let mapping = IdMapping::Ranges { uids: range.clone(), gids: range };

    let owners = stdout(&sh("stat -c %u / /etc/passwd; id -u").id_mapping(mapping));

    assert_eq!(owners, "0\n0\n1000");
}

#[test]
fn a_kill_after_the_end_does_not_change_the_cause() {
    for _ in 0..50 {
        let mut child = sh("kill -KILL $$").stdin(Stdio::null()).spawn().expect("a container");
        let workload = child.id();
        eventually("the workload has ended", || !is_alive(workload));

        child.kill().expect("kill");

        assert_eq!(child.wait().expect("a report").cause(), Cause::Signalled);
    }
}

#[test]
fn pausing_and_resuming_from_two_threads_comes_to_an_end() {
    if !can_account() {
        return;
    }
    let child = sh("sleep 86400").accounting(true).stdin(Stdio::null()).spawn().expect("a container");

    std::thread::scope(|scope| {
        scope.spawn(|| (0..3000).for_each(|_| child.pause().expect("paused")));
        scope.spawn(|| (0..3000).for_each(|_| child.resume().expect("resumed")));
    });

    child.kill().expect("kill");
}

#[test]
fn memory_that_a_group_above_lacks_is_not_the_containers_limit() {
    if !allows(Feature::Limit(Limit::Memory)) {
        skip_for_good("needs root: no memory limit is to be had");
        return;
    }
    let Some(above) = TestGroup::new("memory") else { return };
    let file = ["memory.limit_in_bytes", "memory.max"].map(|name| above.directory.join(name));
    let file = file.iter().find(|file| file.exists()).expect("a memory limit");
    fs::write(file, (32 << 20).to_string()).expect("a group of ours");
    let dd = Container::new().command("/bin/dd").args(["if=/dev/zero", "of=/dev/null", "bs=128M", "count=1"]);

    let report = output(&dd.memory_limit(1 << 30).cgroup_parent(&above.name)).report;

    assert_eq!((report.cause(), report.signal()), (Cause::Signalled, Some(9)), "{report:?}");
    assert!(report.reached().is_empty(), "{report:?}");
    assert!(report.usage().oom_kills.is_some_and(|kills| kills.value > 0), "the control: {report:?}");
}

#[test]
fn a_file_over_a_place_of_the_hosts_is_no_room_beside_the_limit_of_disk() {
    let Some(root) = common::busybox_root() else { return };
    let written = |container: Container| {
        let script = "/bin/busybox dd if=/dev/zero of=/data bs=1024 count=1024 conv=notrunc";
        let sh = container.command("/bin/busybox").args(["sh", "-c", script]);
        sh.rootfs(root.path())
            .file_with_mode("/data", "x", 0o666)
            .output()
            .expect("a container")
            .status
            .success()
    };

    assert!(written(Container::new()), "the control: without limit");
    assert!(!written(Container::new().disk_limit(65536, 10)));
}
