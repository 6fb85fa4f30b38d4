//! What is captured of a workload's output, and what it writes to files, is bounded to the byte.

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use cofferdam::{Cause, Container, Limit, Output, Stdio};
use common::helper::{is_helper, run_helper};
use common::processes::next_line;
use common::{output, set_mode, sh, temp_dir, text};

/// Writes so many bytes to standard output.
fn bytes(count: u64) -> Container {
    Container::new().command("/usr/bin/head").args(["-c", &count.to_string(), "/dev/zero"])
}

fn captured(output: &Output) -> u64 {
    (output.stdout.len() + output.stderr.len()) as u64
}

// What the host program captures

#[test]
fn as_many_bytes_as_the_limit_pass_and_one_more_does_not() {
    // At, below and above what a pipe holds and what is read at once.
    for limit in [1, 4096, 65_535, 65_536, 65_537, 1_000_000] {
        let within = output(&bytes(limit).output_limit(limit));
        let beyond = output(&bytes(limit + 1).output_limit(limit));

        assert_eq!((within.report.cause(), within.status.code()), (Cause::Exited, Some(0)), "{limit}");
        assert_eq!((captured(&within), within.report.reached()), (limit, &[][..]));
        assert_eq!((beyond.report.cause(), captured(&beyond)), (Cause::Output, limit));
        assert_eq!(beyond.report.reached(), [Limit::Output]);
    }
    assert_eq!(captured(&output(&bytes(1_000_001))), 1_000_001, "the control: without limit");
}

#[test]
fn a_limit_of_zero_lets_nothing_pass() {
    let silent = output(&sh("true").output_limit(0));
    let loud = output(&sh("echo").output_limit(0));
    let loud_elsewhere = output(&sh("echo >&2").output_limit(0));

    assert_eq!((silent.report.cause(), captured(&silent)), (Cause::Exited, 0));
    assert_eq!((loud.report.cause(), captured(&loud)), (Cause::Output, 0));
    assert_eq!((loud_elsewhere.report.cause(), captured(&loud_elsewhere)), (Cause::Output, 0));
}

#[test]
fn both_streams_count_together() {
    let both = |count| sh(&format!("head -c {count} /dev/zero; head -c {count} /dev/zero >&2"));

    let within = output(&both(500).output_limit(1000));
    let beyond = output(&both(501).output_limit(1000));

    assert_eq!((within.report.cause(), within.stdout.len(), within.stderr.len()), (Cause::Exited, 500, 500));
    assert_eq!((beyond.report.cause(), captured(&beyond)), (Cause::Output, 1000));
}

#[test]
fn endless_output_ends() {
    for script in ["yes", "yes >&2", "yes & yes >&2", "trap '' TERM PIPE; yes & sleep 86400"] {
        let output = output(&sh(script).output_limit(100_000));

        assert_eq!((output.report.cause(), captured(&output)), (Cause::Output, 100_000), "{script}");
        assert_eq!(output.status.signal(), Some(libc::SIGKILL), "{script}");
    }
}

#[test]
fn what_was_captured_is_the_beginning() {
    let output = output(&sh("seq 1000000").output_limit(20));

    assert_eq!(text(&output.stdout), "1\n2\n3\n4\n5\n6\n7\n8\n9\n10");
}

#[test]
fn a_host_that_reads_late_captures_as_much() {
    // As much as a pipe holds, and more only when somebody reads.
    let script = "head -c 65536 /dev/zero; echo full >&2; head -c 34465 /dev/zero";
    let container = sh(script).output_limit(100_000).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = container.stderr(Stdio::piped()).spawn().expect("a container");
    assert_eq!(next_line(child.stderr.as_mut().expect("a pipe")), "full");

    let output = child.wait_with_output().expect("output");

    assert_eq!((output.report.cause(), captured(&output)), (Cause::Output, 100_000));
}

#[test]
fn a_stream_that_is_not_captured_does_not_count() {
    let directory = temp_dir();
    let path = directory.path().join("file");
    let container = sh("head -c 5000 /dev/zero; echo captured >&2").output_limit(9);

    let output = output(&container.stdout(fs::File::create(&path).expect("a file")));

    assert_eq!((output.report.cause(), text(&output.stderr)), (Cause::Exited, "captured".to_owned()));
    assert_eq!(fs::metadata(&path).expect("a file").len(), 5000);
}

#[test]
fn the_report_says_who_holds_the_limits() {
    let report = output(&sh("true").output_limit(9).file_size_limit(9)).report;

    let enforced = report.enforced_by().iter().map(|by| (by.limit, by.mechanism, by.strict));

    let expected = [(Limit::Output, "host", true), (Limit::FileSize, "RLIMIT_FSIZE", true)];
    assert_eq!(enforced.collect::<Vec<_>>(), expected);
}

/// The most memory that this process has had, in KiB.
fn memory_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn helper_captures_much() {
    if !is_helper("helper_captures_much") {
        return;
    }
    const MUCH: u64 = 128 << 20;
    output(&sh("true"));
    let before = memory_peak();

    let limited = output(&bytes(MUCH).output_limit(64 << 10));
    let with_limit = memory_peak() - before;
    let free = output(&bytes(MUCH));
    let without = memory_peak() - before;

    assert_eq!((captured(&limited), captured(&free)), (64 << 10, MUCH));
    assert!(with_limit < 8 << 10, "{with_limit} KiB");
    assert!(without >= MUCH >> 10, "the control: {without} KiB");
}

#[test]
fn the_memory_of_the_host_program_does_not_grow_with_the_output() {
    run_helper("helper_captures_much");
}

// What the workload writes to files

#[test]
fn a_file_can_be_as_large_as_the_limit_and_no_larger() {
    let directory = temp_dir();
    let path = directory.path().join("file");
    let run = |count| {
        let file = fs::File::create(&path).expect("a file");
        let report = output(&bytes(count).file_size_limit(10_000).stdout(file)).report;
        (report, fs::metadata(&path).expect("a file").len())
    };

    let (within, size) = run(10_000);
    assert_eq!((within.cause(), within.code(), size), (Cause::Exited, Some(0), 10_000));
    let (beyond, size) = run(10_001);
    assert_eq!((beyond.cause(), beyond.signal(), size), (Cause::Output, Some(libc::SIGXFSZ), 10_000));
    assert_eq!(beyond.reached(), [Limit::FileSize]);
}

#[test]
fn every_file_is_bounded_and_their_sum_is_not() {
    let script =
        "for file in a b c; do head -c 10000 /dev/zero > /tmp/$file || exit 1; done; cat /tmp/* | wc -c";

    let output = output(&sh(script).file_size_limit(10_000));

    assert_eq!((output.report.cause(), text(&output.stdout)), (Cause::Exited, "30000".to_owned()));
}

#[test]
fn pipes_are_no_files() {
    let output = output(&sh("yes | head -c 100000").file_size_limit(1));

    assert_eq!((output.report.cause(), captured(&output)), (Cause::Exited, 100_000));
}

/// Tries to write ten bytes where eight are allowed, and again.
const DEAF: &str = r#"
    $SIG{XFSZ} = 'IGNORE';
    open(my $file, '>', $ARGV[0]) or die;
    print syswrite($file, 'x' x 10), ' ';
    print defined syswrite($file, 'x') ? 'more' : $!{EFBIG} ? 'EFBIG' : $!;
"#;

#[test]
fn a_program_that_ignores_the_signal_gets_an_error() {
    let directory = temp_dir();
    let path = directory.path().join("file");
    fs::write(&path, "").expect("a file");
    set_mode(&path, 0o666);
    let container = Container::new().command("/usr/bin/perl").args(["-e", DEAF, "/file"]);
    let container = container.bind_writable(&path, "/file").file_size_limit(8);

    let output = output(&container);

    assert_eq!((output.report.cause(), output.status.code()), (Cause::Exited, Some(0)));
    assert_eq!(text(&output.stdout), "8 EFBIG");
    assert_eq!(fs::read(&path).expect("a file"), b"xxxxxxxx");
    let outside = Command::new("/usr/bin/perl").args(["-e", DEAF]).arg(&path).output().expect("perl");
    assert_eq!(text(&outside.stdout), "10 more", "the control outside");
}

#[test]
fn the_limit_of_file_size_cannot_be_raised() {
    let script = "ulimit -f unlimited; head -c 20000 /dev/zero > /tmp/file; wc -c < /tmp/file";

    let output = output(&sh(script).file_size_limit(8192));

    assert_eq!(text(&output.stdout), "8192");
    assert!(text(&output.stderr).contains("ulimit"), "{}", text(&output.stderr));
}
