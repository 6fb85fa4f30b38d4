//! What a workload writes to the container's own file systems is bounded, in bytes and in inodes, over all of
//! them together.

mod common;

use std::path::Path;

use cofferdam::{Cause, Container, ErrorKind, Limit, Overlay, Report, Tmpfs};
use common::{make_open_dir, output, sh, stdout, temp_dir, text};
use tempfile::TempDir;

const PAGE: u64 = 4096;
const ENOUGH: u64 = 1000;

/// Writes to each of these files, a page at a time, until there is no room, or a megabyte is written; prints
/// the sizes in pages.
fn fill(files: &str) -> Container {
    sh(&format!(
        "for file in {files}; do dd if=/dev/zero of=$file bs=4096 count=256 2> /dev/null; done; \
         for file in {files}; do echo $(($(stat -c %s $file) / 4096)); done"
    ))
}

/// Makes empty files in each of these directories until there is no room, or there are 100; prints the numbers.
fn populate(directories: &str) -> Container {
    sh(&format!(
        "for directory in {directories}; do count=0; \
         while [ $count -lt 100 ] && true > $directory/file$count; do count=$((count + 1)); done 2>&-; \
         echo $count; done"
    ))
}

// How much

#[test]
fn as_many_bytes_as_the_limit_fit_and_no_more() {
    let run = |pages: u64| stdout(&fill("/tmp/file").disk_limit(pages * PAGE, ENOUGH));

    assert_eq!((run(1), run(10), run(256)), ("1".into(), "10".into(), "256".into()));
    assert_eq!(stdout(&fill("/tmp/file")), "256", "the control: without limit");
    let error = output(&sh("head -c 5000 /dev/zero > /tmp/file").disk_limit(PAGE, ENOUGH));
    assert_eq!((error.report.cause(), error.status.success()), (Cause::Exited, false));
    assert!(text(&error.stderr).contains("No space left"), "{}", text(&error.stderr));
}

#[test]
fn bytes_count_over_all_places_together() {
    let run = |container: Container| stdout(&container.disk_limit(20 * PAGE, ENOUGH));

    assert_eq!(run(fill("/tmp/file /dev/shm/file")), "20\n0");
    assert_eq!(run(fill("/dev/shm/file /tmp/file")), "20\n0");
    let half = "dd if=/dev/zero of=/dev/shm/half bs=4096 count=15 2> /dev/null; ";
    assert_eq!(run(sh(&format!("{half}{}", FILL_TMP))), "5");
    assert_eq!(stdout(&fill("/tmp/file /dev/shm/file")), "256\n256", "the control: without limit");
}

const FILL_TMP: &str = "dd if=/dev/zero of=/tmp/file bs=4096 count=256 2> /dev/null; \
    echo $(($(stat -c %s /tmp/file) / 4096))";

#[test]
fn files_that_were_removed_and_are_open_still_count() {
    let hold = "exec 3> /tmp/held; head -c 40960 /dev/zero >&3; rm /tmp/held; ";
    let release = "exec 3>&-; ";
    let run = |script: String| stdout(&sh(&script).disk_limit(20 * PAGE, ENOUGH));

    assert_eq!(run(format!("{hold}{FILL_TMP}")), "10");
    assert_eq!(run(format!("{hold}{release}{FILL_TMP}")), "20", "the control: room comes back");
}

#[test]
fn as_many_inodes_as_the_limit_fit_and_no_more() {
    let run = |container: Container| stdout(&container.disk_limit(1 << 20, 10));

    assert_eq!(run(populate("/tmp")), "10");
    assert_eq!(run(populate("/tmp /dev/shm")), "10\n0");
    assert_eq!(run(populate("/dev/shm /tmp")), "10\n0");
    assert_eq!(stdout(&populate("/tmp /dev/shm")), "100\n100", "the control: without limit");
    let kinds = "mkdir /tmp/a && ln -s x /tmp/b && mkfifo /tmp/c && true > /tmp/d && ln /tmp/d /tmp/e && \
        ! true > /dev/shm/f";
    assert!(output(&sh(kinds).disk_limit(1 << 20, 5)).status.success(), "of every kind");
}

#[test]
fn inodes_are_as_many_where_there_are_fewer_places() {
    let run = |container: Container| stdout(&container.disk_limit(1 << 20, 10));

    assert_eq!(run(populate("/dev/shm").tmp_size(0)), "10");
    assert_eq!(run(populate("/tmp").dev(false)), "10");
    let tmp = Tmpfs::new("/tmp").inodes(3);
    let container = populate("/dev/shm").tmpfs(tmp).disk_limit(1 << 30, 13);
    assert_eq!(stdout(&container), "10", "what is left");
}

#[test]
fn the_size_of_tmp_does_not_count() {
    assert_eq!(stdout(&fill("/tmp/file").tmp_size(PAGE).disk_limit(20 * PAGE, ENOUGH)), "20");
    assert_eq!(stdout(&fill("/tmp/file").tmp_size(PAGE)), "1", "the control: without limit");
}

// What else is writable

#[test]
fn file_systems_in_memory_are_taken_off() {
    let container = || {
        let box_ = Tmpfs::new("/box").size(8 * PAGE).inodes(10);
        fill("/box/file /tmp/file /dev/shm/file").tmpfs(box_).disk_limit(20 * PAGE, 100)
    };

    assert_eq!(stdout(&container()), "8\n12\n0");
    let two = container().tmpfs(Tmpfs::new("/other").size(2 * PAGE).inodes(10));
    assert_eq!(stdout(&two), "8\n10\n0");
    let counts = populate("/box /tmp /dev/shm").tmpfs(Tmpfs::new("/box").size(PAGE).inodes(31));
    // The root of a tmpfs is one of its inodes.
    assert_eq!(stdout(&counts.disk_limit(1 << 20, 100)), "30\n69\n0");
}

#[test]
fn overlays_in_memory_are_taken_off() {
    let (_directory, lower) = lower_directory();
    let overlay = Overlay::new("/box").lower(&lower).upper_in_memory(8 * PAGE, 10);
    let container = fill("/tmp/file /dev/shm/file").overlay(overlay);

    assert_eq!(stdout(&container.disk_limit(20 * PAGE, 100)), "12\n0");
}

fn lower_directory() -> (TempDir, std::path::PathBuf) {
    let directory = temp_dir();
    let lower = directory.path().join("lower");
    make_open_dir(&lower);
    (directory, lower)
}

#[test]
fn a_limit_that_leaves_nothing_is_bad_input() {
    let container = || sh("true").tmpfs(Tmpfs::new("/box").size(8 * PAGE).inodes(10));

    for (bytes, inodes) in [(8 * PAGE, 100), (7 * PAGE, 100), (20 * PAGE, 10), (20 * PAGE, 9)] {
        let error = container().disk_limit(bytes, inodes).spawn().expect_err("no room");
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "disk"), "{error}");
        assert!(error.remedy().is_some(), "{error}");
    }
    assert!(output(&container().disk_limit(9 * PAGE, 11)).status.success(), "the control: just enough");
}

/// All that is writable on the host.
fn writable_on_host(directory: &Path) -> Vec<Container> {
    let path = |name: &str| directory.join(name);
    let upper = |at: &str| Overlay::new(at).lower("/usr").upper_directory(path("upper"), path("work"));
    vec![
        sh("true").bind_writable(path("upper"), "/box"),
        sh("true").overlay(upper("/box")),
        sh("true").rootfs_overlay(upper("/")),
        sh("true").rootfs_writable(path("upper")),
    ]
}

#[test]
fn what_is_writable_on_the_host_is_an_error_unless_it_may_be_left_out() {
    let directory = temp_dir();
    make_open_dir(&directory.path().join("upper"));
    make_open_dir(&directory.path().join("work"));

    for container in writable_on_host(directory.path()) {
        let limited = container.disk_limit(1 << 20, ENOUGH);
        let error = limited.explain().expect_err("not bounded");
        assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "disk"), "{error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("best_effort")), "{error}");
        let elsewhere = limited.clone().best_effort([Limit::Memory, Limit::Output]).explain();
        assert!(elsewhere.is_err(), "accepted for other limits");
        limited.best_effort([Limit::Disk]).explain().expect("a plan");
    }
}

#[test]
fn what_is_left_out_does_not_loosen_the_rest() {
    let directory = temp_dir();
    make_open_dir(&directory.path().join("shared"));
    let container = fill("/box/file /tmp/file").bind_writable(directory.path().join("shared"), "/box");

    let output = output(&container.disk_limit(20 * PAGE, ENOUGH).best_effort([Limit::Disk]));

    assert_eq!(text(&output.stdout), "256\n20");
    assert_eq!(enforced(&output.report), [(Limit::Disk, "tmpfs", false)]);
}

fn enforced(report: &Report) -> Vec<(Limit, &'static str, bool)> {
    report.enforced_by().iter().map(|by| (by.limit, by.mechanism, by.strict)).collect()
}

#[test]
fn a_strict_limit_says_so() {
    let binds = sh("true").bind_read_only("/usr", "/box").best_effort([Limit::Disk]);

    for container in [sh("true"), binds] {
        let report = output(&container.disk_limit(1 << 20, ENOUGH)).report;
        assert_eq!(enforced(&report), [(Limit::Disk, "tmpfs", true)]);
    }
}

// What stays as it was

#[test]
fn the_places_are_as_they_are_without_limit() {
    let script = "stat -c '%a %F %u %g' /tmp /dev/shm; ls -A /tmp /dev/shm; \
        for place in /tmp /dev/shm; do \
            grep \" $place \" /proc/self/mountinfo | cut -d' ' -f6; \
            mkdir $place/a && echo x > $place/a/b && cat $place/a/b && rm -r $place/a; \
        done; \
        touch /file /dev/file /proc/file /etc/file 2> /dev/null || echo nowhere else";

    let limited = stdout(&sh(script).disk_limit(1 << 20, ENOUGH));

    assert!(limited.starts_with("1777 directory"), "{limited}");
    assert!(limited.ends_with("nowhere else"), "{limited}");
    assert_eq!(limited, stdout(&sh(script)), "the control: without limit");
}

#[test]
fn a_place_of_the_callers_replaces_the_part_of_the_pool() {
    let tmp = Tmpfs::new("/tmp").size(8 * PAGE).inodes(10);

    let sizes = stdout(&fill("/tmp/file /dev/shm/file").tmpfs(tmp).disk_limit(20 * PAGE, ENOUGH));

    assert_eq!(sizes, "8\n12");
}

#[test]
fn programs_run_from_the_limited_tmp() {
    let container = sh("cp /bin/true /tmp/program && /tmp/program").disk_limit(1 << 20, ENOUGH);

    assert!(output(&container).status.success());
}

#[test]
fn containers_do_not_share_their_room() {
    let container = fill("/tmp/file").disk_limit(20 * PAGE, ENOUGH);

    let both = std::thread::scope(|scope| {
        let runs = [0, 1].map(|_| scope.spawn(|| stdout(&container)));
        runs.map(|run| run.join().expect("a thread"))
    });

    assert_eq!(both, ["20", "20"]);
}
