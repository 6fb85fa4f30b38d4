//! `/proc` and `/dev`: what of the machine is hidden, what works, and containers inside containers.

mod common;

use cofferdam::{Capabilities, Container, ErrorKind, Proc};
use common::helper::{is_helper, this_test_in_container};
use common::{busybox_root, busybox_sh, needs_program, on_host, output, sh, stdout, succeeds, text};

// /proc

const MASKED_FILES: [&str; 7] =
    ["interrupts", "kallsyms", "kcore", "keys", "latency_stats", "sched_debug", "timer_list"];
const MASKED_DIRECTORIES: [&str; 3] = ["acpi", "asound", "scsi"];
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

#[test]
fn files_about_the_machine_are_empty() {
    for name in MASKED_FILES {
        let size = format!("test ! -e /proc/{name} || head -c 10 /proc/{name} | wc -c");
        assert!(["", "0"].contains(&stdout(&sh(&size)).as_str()), "{name}");
    }
    assert_eq!(on_host("head -c 10 /proc/kallsyms | wc -c"), "10");
}

#[test]
fn directories_about_the_machine_are_empty() {
    for name in MASKED_DIRECTORIES {
        assert_eq!(stdout(&sh(&format!("test ! -e /proc/{name} || ls -A /proc/{name}"))), "", "{name}");
    }
}

#[test]
fn masks_hold_against_a_workload_with_all_capabilities_that_it_may_not_mount_with() {
    let unmask = sh("umount /proc/kallsyms; head -c 10 /proc/kallsyms | wc -c")
        .user(0, 0)
        .capabilities(Capabilities::all() - Capabilities::SYS_ADMIN);

    assert_eq!(stdout(&unmask), "0");
}

#[test]
fn files_that_change_the_machine_cannot_be_written() {
    let writable_mounts = "awk '$5 ~ \"^/proc/(bus|fs|irq|sys|sysrq-trigger)$\" && $6 !~ /^ro,/' \
        /proc/self/mountinfo; true";
    let write = output(&sh("echo 1 > /proc/sys/kernel/printk").user(0, 0));

    for name in READ_ONLY {
        let is_mounted = format!("test ! -e /proc/{name} || grep -q ' /proc/{name} ' /proc/self/mountinfo");
        assert!(succeeds(&sh(&is_mounted)), "{name}");
    }
    assert_eq!(stdout(&sh(writable_mounts)), "");
    assert!(!write.status.success());
    assert!(text(&write.stderr).contains("Read-only file system"), "{}", text(&write.stderr));
    assert!(succeeds(&sh("cat /proc/sys/kernel/ostype && echo 1000 > /proc/self/oom_score_adj")));
}

#[test]
fn proc_can_be_left_out() {
    assert!(!succeeds(&sh("test -e /proc").proc(Proc::None)));
    assert!(succeeds(&sh("test -d /proc/self")));
}

#[test]
fn proc_can_be_replaced() {
    let replaced = sh("ls /proc").tmpfs(cofferdam::Tmpfs::new("/proc"));

    assert_eq!(stdout(&replaced), "");
}

// /dev

const DEVICES: &str = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";

#[test]
fn dev_holds_a_documented_few() {
    let Some(root) = busybox_root() else { return };

    assert_eq!(stdout(&sh("echo $(ls -A /dev)")), DEVICES);
    assert_eq!(stdout(&busybox_sh("echo $(ls -A /dev)").rootfs(root.path())), DEVICES);
    assert!(on_host("ls -A /dev | wc -l").parse::<usize>().unwrap() > 0);
}

#[test]
fn devices_work() {
    let script = "echo gone > /dev/null && head -c 3 /dev/zero | od -An -tx1 && \
        head -c 16 /dev/urandom | wc -c && head -c 16 /dev/random | wc -c && \
        echo in | cat /dev/stdin && echo fd | cat /dev/fd/0 && \
        ! echo x > /dev/full";

    assert_eq!(stdout(&sh(script)), " 00 00 00\n16\n16\nin\nfd");
}

#[test]
fn the_standard_streams_can_be_opened_by_name() {
    assert_eq!(stdout(&sh("echo out > /dev/stdout && echo err > /dev/stderr")), "out");
}

#[test]
fn devices_cannot_be_made() {
    let make = |place: &str| {
        sh(&format!("mknod {place}/null c 1 3 && echo made && echo x > {place}/null && echo works"))
            .user(0, 0)
            .capabilities(Capabilities::all())
    };

    for place in ["/tmp", "/dev/shm"] {
        let output = output(&make(place));
        assert_eq!(text(&output.stdout), "", "{place}");
        assert!(text(&output.stderr).contains("Operation not permitted"), "{}", text(&output.stderr));
    }
}

#[test]
fn there_is_no_terminal_but_a_new_one_can_be_opened() {
    if !needs_program("/usr/bin/script") {
        return;
    }
    let in_terminal = "script -qec 'tty; ls /dev/pts' /dev/null | tr -d '\\r'";

    assert_eq!(stdout(&sh("ls /dev/pts")), "ptmx");
    assert_eq!(stdout(&sh(in_terminal)), "/dev/pts/0\n0  ptmx");
}

#[test]
fn the_terminals_of_the_host_are_out_of_reach() {
    assert!(!succeeds(&sh("exec 3<> /dev/tty")));
}

#[test]
fn shared_memory_files_work_and_are_private() {
    let name = format!("/dev/shm/cofferdam-{}", std::process::id());
    let container =
        sh(&format!("test ! -e {name} && echo shared > {name} && cat {name} && ls -A /dev/shm | wc -l"));

    for _ in 0..2 {
        assert_eq!(stdout(&container), "shared\n1");
    }
    assert!(!std::path::Path::new(&name).exists());
}

#[test]
fn shared_memory_is_bounded() {
    let full = output(&sh("head -c 65M /dev/zero > /dev/shm/file"));

    assert!(text(&full.stderr).contains("No space left on device"), "{}", text(&full.stderr));
    assert!(succeeds(&sh("head -c 63M /dev/zero > /dev/shm/file")));
}

#[test]
fn programs_in_shared_memory_or_proc_are_not_executed() {
    let run = |place: &str| format!("cp /bin/true {place}/program && {place}/program");

    assert!(!succeeds(&sh(&run("/dev/shm"))));
    assert!(succeeds(&sh(&run("/tmp"))));
}

#[test]
fn dev_can_be_left_out() {
    assert!(!succeeds(&sh("test -e /dev").dev(false)));
}

// Containers inside containers

fn nested(proc: Proc) -> Container {
    sh("echo nested; echo $$").proc(proc)
}

/// Runs a test of this file inside a container; what it printed.
#[track_caller]
fn inside(container: Container) -> String {
    let printed = stdout(&container);
    assert!(printed.contains("1 passed"), "{printed}");
    printed
}

#[test]
fn helper_new_proc_in_a_container() {
    const HELPER: &str = "helper_new_proc_in_a_container";
    if is_helper(HELPER) {
        let error = nested(Proc::New).output().unwrap_err();
        println!("{:?} {} {:?}", error.kind(), error.step(), error.remedy());
    }
}

#[test]
fn a_new_proc_in_a_container_is_an_error_that_names_the_remedy() {
    let printed = inside(this_test_in_container("helper_new_proc_in_a_container"));

    assert!(printed.contains(&format!("{:?} proc Some", ErrorKind::PermissionDenied)), "{printed}");
    assert!(printed.contains("NewOrOuter"), "{printed}");
}

#[test]
fn helper_outer_proc_in_a_container() {
    const HELPER: &str = "helper_outer_proc_in_a_container";
    if is_helper(HELPER) {
        println!("{}", stdout(&nested(Proc::NewOrOuter)));
        println!("{}", stdout(&nested(Proc::None)));
    }
}

#[test]
fn the_outer_proc_serves_in_a_container() {
    let printed = inside(this_test_in_container("helper_outer_proc_in_a_container"));

    assert_eq!(printed.matches("nested\n2\n").count(), 2, "{printed}");
}

#[test]
fn the_outer_proc_serves_only_where_a_new_one_is_forbidden() {
    assert_eq!(stdout(&sh("echo /proc/[0-9]*").proc(Proc::NewOrOuter)), "/proc/1 /proc/2");
}

#[test]
fn helper_masks_in_a_container_in_a_container() {
    const HELPER: &str = "helper_masks_in_a_container_in_a_container";
    if is_helper(HELPER) {
        let masked = "head -c 10 /proc/kallsyms | wc -c; ! echo 1 2>/dev/null > /proc/sys/kernel/printk";
        println!("masked: {}", stdout(&sh(masked).proc(Proc::NewOrOuter)));
    }
}

#[test]
fn the_outer_proc_is_masked_too() {
    let printed = inside(this_test_in_container("helper_masks_in_a_container_in_a_container"));

    assert!(printed.contains("masked: 0\n"), "{printed}");
}

/// Init is not dumpable, and so its files are those of root inside.
#[test]
fn root_inside_cannot_write_inits_files() {
    let script = "echo 1000 2>/dev/null >/proc/1/oom_score_adj && echo init; echo 1000 >/proc/self/oom_score_adj && echo own";
    for proc in [Proc::New, Proc::NewOrOuter] {
        assert_eq!(stdout(&sh(script).user(0, 0).proc(proc)), "own", "{proc:?}");
    }
}
