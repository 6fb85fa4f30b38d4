//! CPUs, disks, huge pages and swap are limited, also to very little; what a limit is for, and how low it can be,
//! is told.

mod common;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam::{Cause, Child, Container, ErrorKind, IoLimit, Limit, Overlay, Report, Stdio};
use common::cgroups::{allows, has_word, hierarchy_of, value, works};
use common::limits::counts_refused_processes;
use common::processes::{DEADLINE, eventually};
use common::{on_host, output, sh, skip_for_good, stdout, temp_dir, text};
use tempfile::TempDir;

fn sleeper() -> Container {
    Container::new().command("/bin/sleep").arg("86400").stdin(Stdio::null())
}

fn just_true() -> Container {
    Container::new().command("/bin/true")
}

fn enforced(report: &Report) -> Vec<(Limit, &'static str, bool)> {
    report.enforced_by().iter().map(|by| (by.limit, by.mechanism, by.strict)).collect()
}

#[track_caller]
fn refused(container: &Container) -> cofferdam::Error {
    let error = container.spawn().expect_err("not to be had");
    assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "cgroup"), "{error}");
    error
}

// CPUs

/// The numbers of the CPUs that this program may use.
fn cpus() -> Vec<usize> {
    let list = on_host("taskset -cp $$ | sed 's/.*: //'");
    let range = |part: &str| {
        let number = |text: &str| text.parse::<usize>().expect("a number");
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        number(first)..=number(last)
    };
    list.split(',').flat_map(range).collect()
}

#[test]
fn a_workload_has_the_cpus_of_its_set_and_cannot_leave_them() {
    if !works(Limit::Cpuset, just_true().cpuset([0])) {
        return;
    }
    let (own, others) = match cpus()[..] {
        [.., other, own] => (own, other),
        _ => return skip_for_good("a single CPU"),
    };
    let script =
        format!("grep Cpus_allowed_list /proc/self/status; nproc; taskset -c {others} true && echo left");

    let limited = output(&sh(&script).cpuset([own]));
    let free = stdout(&sh(&script));

    let expected = format!("Cpus_allowed_list:\t{own}\n1");
    assert_eq!(text(&limited.stdout), expected, "{}", text(&limited.stderr));
    assert_eq!(enforced(&limited.report), [(Limit::Cpuset, "cpuset.cpus", true)]);
    assert!(free.ends_with("left"), "the control: without limit: {free}");
    let all = stdout(&sh("nproc").cpuset(cpus()));
    assert_eq!(all, cpus().len().to_string(), "the control: a set of all");
}

#[test]
fn cpus_that_are_not_there_are_an_error() {
    if !works(Limit::Cpuset, just_true().cpuset([0])) {
        return;
    }
    let error = refused(&sleeper().cpuset([0, 8000]));

    assert!(error.subject().contains("0,8000"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("must exist")), "{error}");
}

#[test]
fn the_weight_of_cpu_stands_in_the_group() {
    if !works(Limit::CpuWeight, just_true().cpu_weight(100)) {
        return;
    }
    let cpu = hierarchy_of("cpu").expect("a hierarchy");
    let file = cpu.either("cpu.shares", "cpu.weight");
    // The kernel's own units: 1024 shares, and a weight of 100, are usual.
    let cases = [(1, "10", "1"), (50, "512", "50"), (100, "1024", "100"), (10_000, "102400", "10000")];
    for (weight, v1, v2) in cases {
        let mut child = sleeper().cpu_weight(weight).spawn().expect("a container");
        assert_eq!(value(&cpu.group_of(child.id()), file), cpu.either(v1, v2), "{weight}");
        child.kill().expect("init");
        let report = child.wait().expect("a report");
        let mechanisms: Vec<_> = enforced(&report).into_iter().map(|(limit, by, _)| (limit, by)).collect();
        assert_eq!(mechanisms, [(Limit::CpuWeight, file)]);
    }
}

#[test]
fn of_two_containers_that_want_a_cpu_the_heavier_gets_more() {
    let limited = |weight| sh("while :; do :; done").cpu_weight(weight).cpuset([cpus()[0]]);
    if !works(Limit::CpuWeight, limited(100)) || !works(Limit::Cpuset, limited(100)) {
        return;
    }
    let start = |weight| limited(weight).stdin(Stdio::null()).spawn().expect("a container");
    let used = |child: &Child| child.stats().expect("figures").cpu_time.expect("a figure").value;
    let (light, heavy) = (start(10), start(10_000));
    let before = (used(&light), used(&heavy));

    eventually("the heavier has ten times as much", || {
        let (light, heavy) = (used(&light) - before.0, used(&heavy) - before.1);
        std::thread::sleep(Duration::from_millis(10));
        heavy > Duration::from_millis(500) && heavy > 10 * light
    });
}

// Disks

/// A file of the host of two megabytes, on a disk that can be limited, and the disk. Otherwise the calling test
/// does nothing.
#[track_caller]
fn file_on_disk() -> Option<(TempDir, PathBuf, PathBuf)> {
    let directory = temp_dir();
    let path = directory.path().join("file");
    let file = fs::File::create(&path).expect("a file");
    file.write_all_at(&b"not only zeros".repeat((2 << 20) / 14 + 1)[..2 << 20], 0).expect("room");
    file.sync_all().expect("a disk");
    let device = file.metadata().expect("metadata").dev();
    let system = format!("/sys/dev/block/{}:{}", libc::major(device), libc::minor(device));
    let name = fs::read_to_string(format!("{system}/uevent")).unwrap_or_default();
    let name =
        name.lines().find_map(|line| line.strip_prefix("DEVNAME=")).map(|name| Path::new("/dev").join(name));
    let whole = !Path::new(&format!("{system}/partition")).exists();
    match name.filter(|node| whole && node.exists()) {
        Some(node) if on_host_directly(&path) => Some((directory, path, node)),
        _ => {
            skip_for_good("temporary files are not on a whole disk that can be read directly");
            None
        }
    }
}

/// Past the page cache.
fn read_directly(file: &str) -> String {
    format!("dd if={file} of=/dev/null bs=64k iflag=direct 2> /dev/null")
}

fn on_host_directly(path: &Path) -> bool {
    on_host(&format!("{} || echo no", read_directly(&path.to_string_lossy()))).is_empty()
}

#[test]
fn reading_a_disk_is_slowed_down() {
    if !works(Limit::Memory, just_true().memory_limit(64 << 20)) {
        return;
    }
    let Some((_directory, path, disk)) = file_on_disk() else { return };
    if hierarchy_of("io").is_none() {
        return skip_for_good("no controller of I/O");
    }
    let container = sh(&read_directly("/file")).bind_read_only(&path, "/file");

    // Two megabytes, at one per second; the kernel grants a portion of less than half a second at once.
    let bytes = output(&container.clone().io_limit(IoLimit::new(&disk).read_bytes(1 << 20))).report;
    // In 32 reads of 64 KiB.
    let operations = output(&container.io_limit(IoLimit::new(&disk).read_operations(16))).report;

    for report in [&bytes, &operations] {
        assert_eq!((report.cause(), report.code()), (Cause::Exited, Some(0)), "slowed, not ended");
        assert!(report.wall_time() >= Duration::from_millis(1200), "{report:?}");
        let read = report.usage().io_read.expect("a figure");
        assert!(read.value >= 2 << 20, "{report:?}");
    }
    let io = hierarchy_of("io").expect("a hierarchy");
    let by = |v1, report| assert_eq!(enforced(report), [(Limit::Io, io.either(v1, "io.max"), true)]);
    by("blkio.throttle.read_bps_device", &bytes);
    by("blkio.throttle.read_iops_device", &operations);
}

#[test]
fn all_bounds_of_a_disk_stand_in_the_group() {
    if !works(Limit::Memory, just_true().memory_limit(64 << 20)) {
        return;
    }
    let Some((_directory, _, disk)) = file_on_disk() else { return };
    let Some(io) = hierarchy_of("io") else { return skip_for_good("no controller of I/O") };
    let device = fs::metadata(&disk).expect("a device").rdev();
    let device = format!("{}:{}", libc::major(device), libc::minor(device));
    let limit = IoLimit::new(&disk).read_bytes(1 << 20).write_bytes(2 << 20);
    let limit = limit.read_operations(300).write_operations(400);

    let child = sleeper().io_limit(limit).spawn().expect("a container");

    let group = io.group_of(child.id());
    if io.is_v2 {
        let expected = format!("{device} rbps=1048576 wbps=2097152 riops=300 wiops=400");
        assert_eq!(value(&group, "io.max"), expected);
        return;
    }
    let values = [("read_bps", 1 << 20), ("write_bps", 2 << 20), ("read_iops", 300), ("write_iops", 400)];
    for (name, expected) in values {
        let file = format!("blkio.throttle.{name}_device");
        assert_eq!(value(&group, &file), format!("{device} {expected}"));
    }
}

#[test]
fn what_is_no_disk_cannot_be_limited() {
    if !works(Limit::Memory, just_true().memory_limit(64 << 20)) {
        return;
    }
    if hierarchy_of("io").is_none() {
        return skip_for_good("no controller of I/O");
    }
    let limited = |path: &str| sleeper().io_limit(IoLimit::new(path).read_bytes(1 << 20));

    for path in ["/dev/null", "/etc/passwd", "/"] {
        let error = limited(path).spawn().expect_err("no disk");
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "cgroup"), "{error}");
        assert!(error.subject().contains(path), "{error}");
    }
    let error = limited("/dev/no-such-disk").spawn().expect_err("no disk");
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, Some(libc::ENOENT)), "{error}");
    if let Some(partition) = partition() {
        let error = refused(&limited(&partition));
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("whole disk")), "{error}");
    }
}

/// Few machines of this kind have one.
fn partition() -> Option<String> {
    let devices = fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    let partitions = devices.filter(|device| device.path().join("partition").exists());
    let nodes = partitions.map(|device| format!("/dev/{}", device.file_name().to_string_lossy()));
    nodes.into_iter().find(|node| Path::new(node).exists())
}

#[test]
fn the_weight_of_io_stands_in_the_group_or_is_an_error() {
    if !allows(Limit::IoWeight) {
        let error = refused(&sleeper().io_weight(50));
        assert!(error.remedy().is_some(), "{error}");
        return;
    }
    let io = hierarchy_of("io").expect("a hierarchy");
    let child = sleeper().io_weight(50).spawn().expect("a container");
    let group = io.group_of(child.id());

    let files = ["blkio.bfq.weight", "io.bfq.weight", "io.weight"].map(|file| group.join(file));
    let known: Vec<_> = files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();

    assert!(known.iter().any(|value| value.split_whitespace().last() == Some("50")), "{known:?}");
}

// Memory of other kinds

/// On a machine with v1 it is the root of v2 that could offer it, and would have to be changed for that.
#[test]
fn huge_pages_are_limited_or_that_is_an_error() {
    allows(Limit::Memory);
    let size = 2 << 20;
    let limited = sleeper().hugetlb_limit(size, 3 << 21);
    let pages = Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB").exists();
    match hierarchy_of("hugetlb") {
        Some(huge) if huge.is_v2 && !huge.base.join("cgroup.type").exists() => {
            skip_for_good("root group of v2 is the machine's own: it stays as it is");
        }
        Some(huge)
            if pages && (!huge.is_v2 || has_word(&huge.base.join("cgroup.subtree_control"), "hugetlb")) =>
        {
            let mut child = limited.spawn().expect("a container");
            let file = huge.either("hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max");
            assert_eq!(value(&huge.group_of(child.id()), file), (3 << 21).to_string());
            child.kill().expect("init");
            let by = huge.either("hugetlb.limit_in_bytes", "hugetlb.max");
            assert_eq!(enforced(&child.wait().expect("a report")), [(Limit::Hugetlb, by, true)]);
            let error = refused(&sleeper().hugetlb_limit(8 << 10, 0));
            assert!(error.remedy().is_some_and(|remedy| remedy.contains("huge pages")), "{error}");
        }
        _ => assert!(refused(&limited).remedy().is_some()),
    }
}

#[test]
fn swap_is_none_unless_some_is_given() {
    if !works(Limit::Memory, just_true().memory_limit(64 << 20)) {
        return;
    }
    let memory = hierarchy_of("memory").expect("a hierarchy");
    let file = memory.either("memory.memsw.limit_in_bytes", "memory.swap.max");
    let limited = || sleeper().memory_limit(64 << 20);
    let swap_of = |child: &Child| fs::read_to_string(memory.group_of(child.id()).join(file)).ok();

    let without = limited().spawn().expect("a container");
    let Some(none) = swap_of(&without) else {
        let error = refused(&limited().swap_limit(1 << 20));
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("swapaccount")), "{error}");
        return;
    };
    let mut with = limited().swap_limit(16 << 20).spawn().expect("a container");
    let some = swap_of(&with).expect("a value");

    // On v1 memory and swap together.
    let both = |swap: u64| (swap + if memory.is_v2 { 0 } else { 64 << 20 }).to_string();
    assert_eq!((none.trim(), some.trim()), (both(0).as_str(), both(16 << 20).as_str()));
    with.kill().expect("init");
    let by = memory.either("memory.limit_in_bytes", "memory.max");
    let expected = [(Limit::Memory, by, true), (Limit::Swap, file, true)];
    assert_eq!(enforced(&with.wait().expect("a report")), expected);
}

// Low limits

/// What the documentation calls the least.
const LEAST: u64 = 512 << 10;

#[test]
fn a_program_starts_with_the_least_of_everything() {
    for limit in [Limit::Memory, Limit::Pids, Limit::Cpus] {
        if !works(limit, just_true().memory_limit(1 << 20).pids_limit(1).cpus(0.01)) {
            return;
        }
    }
    let least = [
        just_true().memory_limit(LEAST),
        just_true().memory_limit(1 << 20),
        just_true().pids_limit(1),
        just_true().cpus(0.01),
        just_true().memory_limit(1 << 20).pids_limit(1).cpus(0.01).disk_limit(1, 1).output_limit(0),
    ];
    for container in least {
        let report = output(&container).report;
        assert_eq!((report.cause(), report.code()), (Cause::Exited, Some(0)), "{report:?}");
    }
}

#[test]
fn a_memory_limit_below_the_least_names_it() {
    for limit in [1, 4096, LEAST - 1] {
        let error = just_true().memory_limit(limit).spawn().expect_err("too little");
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "limits"), "{error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains(&LEAST.to_string())), "{error}");
    }
}

#[test]
fn setting_up_is_not_charged() {
    if !works(Limit::Memory, just_true().memory_limit(1 << 20)) {
        return;
    }
    let content = vec![b'x'; 16 << 20];
    let overlay = Overlay::new("/box").lower("/usr").upper_in_memory(64 << 20, 1000);
    let mut container = sh("test $(stat -c %s /tmp/large) = 16777216").file("/tmp/large", &content);
    container = container.file("/large", content).overlay(overlay);
    for number in 0..200 {
        container = container.file(format!("/tmp/small{number}"), "x".repeat(4000));
    }
    let container = container.env("LONG", "x".repeat(100_000));

    let report = output(&container.memory_limit(4 << 20)).report;

    assert_eq!((report.cause(), report.code()), (Cause::Exited, Some(0)), "{report:?}");
    assert!(report.memory_peak() <= 4 << 20, "{report:?}");
    let own = sh("head -c 16777216 /dev/zero > /tmp/own").memory_limit(4 << 20);
    assert_eq!(output(&own).report.cause(), Cause::Memory, "the control: what the workload writes is");
}

#[test]
fn a_limit_of_one_process_leaves_no_room_for_another() {
    if !counts_refused_processes() {
        return;
    }
    let alone = output(&sh("exec true").pids_limit(1)).report;
    let two = output(&sh("/bin/true; exit 3").pids_limit(1).wall_time_limit(DEADLINE)).report;

    assert_eq!((alone.cause(), alone.reached()), (Cause::Exited, &[][..]));
    assert_eq!((two.cause(), two.reached()), (Cause::Pids, &[Limit::Pids][..]), "{two:?}");
}
