//! Which descriptors the workload has: the three streams and those given, and nothing else of the host's.

mod common;

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

use cofferdam::{Container, Stdio};
use common::helper::{is_helper, run_helper, this_test};
use common::processes::DEADLINE;
use common::{output, sh, stdout, text};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The numbers that are open inside, as the shell that lists them sees them: `ls` has one more for itself.
const LIST: &str = "exec /bin/ls /proc/self/fd";

/// An anonymous file with this content, to be read from its start.
fn file_with(content: &str) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(content.as_bytes()).and_then(|()| file.rewind()).expect("content");
    file
}

/// What was written to a file since it was opened.
fn content_of(mut file: File) -> String {
    let mut content = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut content)).expect("content");
    content
}

#[test]
fn helper_inherits() {
    if is_helper("helper_inherits") {
        let status = sh("cat; echo to-output; echo to-error >&2").status().expect("a container");
        assert!(status.success());
    }
}

#[test]
fn by_default_a_spawned_workload_has_the_hosts_streams() {
    let mut host = this_test("helper_inherits");
    host.stdin(file_with("from-input\n")).stdout(std::process::Stdio::piped());
    host.stderr(std::process::Stdio::piped());

    let output = host.output().expect("this test program");

    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(out.contains("from-input\nto-output\n"), "{out}");
    assert!(err.contains("to-error") && !out.contains("to-error"), "{err}");
}

#[test]
fn null_reads_nothing_and_drops_what_is_written() {
    let script = "readlink /proc/self/fd/0 /proc/self/fd/2; cat; echo lost >&2";

    let output = output(&sh(script).stderr(Stdio::null()));

    assert_eq!(text(&output.stdout), "/dev/null\n/dev/null");
    assert!(output.stderr.is_empty() && output.status.success());
}

#[test]
fn pipes_carry_all_three_streams() {
    let container = sh("read line; echo \"got $line\"; echo \"missed $line\" >&2");
    let container = container.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = container.spawn().expect("a container");

    child.stdin.take().expect("a pipe").write_all(b"this\n").expect("room in the pipe");
    let output = child.wait_with_output().expect("output");

    assert_eq!((text(&output.stdout), text(&output.stderr)), ("got this".into(), "missed this".into()));
}

#[test]
fn streams_that_are_not_piped_have_no_handle() {
    let container = sh("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());

    let mut child = container.spawn().expect("a container");

    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    assert!(child.wait().expect("a report").success());
}

#[test]
fn files_serve_as_streams_in_every_run() {
    let (input, log) = (file_with("one\n"), file_with(""));
    let kept = log.try_clone().expect("a duplicate");
    let container = sh("cat; echo two").stdin(input).stdout(log);

    container.status().expect("a container");
    container.status().expect("a container");

    // The second run finds the input at its end, and the position in the log where the first left it.
    assert_eq!(content_of(kept), "one\ntwo\ntwo\n");
}

#[test]
fn given_descriptors_have_the_numbers_asked_for() {
    // The shell becomes `ls`, so that nothing of the shell's own is open.
    let container = sh(&format!("cat <&3; cat <&7; cat /proc/self/fd/63; {LIST}"));
    let container = container.fd(7, file_with("seven\n")).fd(3, file_with("three\n"));

    let inside = stdout(&container.fd(63, file_with("sixty-three\n")));

    assert_eq!(inside, "three\nseven\nsixty-three\n0\n1\n2\n3\n4\n63\n7");
}

#[test]
fn given_descriptors_may_collide_with_the_numbers_that_they_have_outside() {
    let files: Vec<File> = ["a\n", "b\n", "c\n"].into_iter().map(file_with).collect();
    let numbers: Vec<u32> = files.iter().map(|file| file.as_raw_fd() as u32).collect();
    // Each gets the number that the next one has outside.
    let read: Vec<String> = numbers.iter().map(|number| format!("cat /proc/self/fd/{number}")).collect();
    let mut container = sh(&read.join("; "));
    for (index, file) in files.into_iter().enumerate() {
        container = container.fd(numbers[(index + 1) % 3], file);
    }

    assert_eq!(stdout(&container), "c\na\nb");
}

#[test]
fn every_low_number_can_be_given_at_once() {
    let mut container = sh("for n in 3 4 5 6 7 8 9; do cat /proc/self/fd/$n; done");
    for number in (3..10).rev() {
        container = container.fd(number, file_with(&format!("{number} ")));
    }

    assert_eq!(stdout(&container), "3 4 5 6 7 8 9 ");
}

/// The descriptors and the score go through the same process, which opens files on its way.
#[test]
fn given_descriptors_stay_what_they_are_beside_an_oom_score_adjustment() {
    let mut container =
        sh("for n in 3 4 5 6 7 8 9; do cat /proc/self/fd/$n; done; cat /proc/self/oom_score_adj");
    for number in 3..10 {
        container = container.fd(number, file_with(&format!("{number} ")));
    }

    assert_eq!(stdout(&container.oom_score_adj(1000)), "3 4 5 6 7 8 9 1000");
    assert_eq!(
        stdout(&sh("cat <&9; cat /proc/self/oom_score_adj").fd(9, file_with("9 ")).oom_score_adj(1000)),
        "9 1000"
    );
}

#[test]
fn nothing_crosses_that_was_not_given() {
    let file = file_with("secret");
    // dup(2) leaves out FD_CLOEXEC: a plain child of the host gets the descriptor.
    let leaked: OwnedFd = nix::unistd::dup(&file).expect("a duplicate");
    let seen = format!("test -e /proc/self/fd/{}", leaked.as_raw_fd());
    let outside = Command::new("/bin/sh").args(["-c", &seen]).status().expect("/bin/sh");
    assert!(outside.success(), "the control: it does cross where nobody takes care");

    assert_eq!(stdout(&sh(LIST)), "0\n1\n2\n3");
}

#[test]
fn helper_with_thousands_of_descriptors() {
    if !is_helper("helper_with_thousands_of_descriptors") {
        return;
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the soft limit up to the hard one");
    let null = File::open("/dev/null").expect("/dev/null");
    let count = hard.min(8000).saturating_sub(100);
    let many: Vec<OwnedFd> = (0..count).map(|_| nix::unistd::dup(&null).expect("a duplicate")).collect();

    assert_eq!(stdout(&sh(LIST)), "0\n1\n2\n3");
    assert_eq!(stdout(&sh("cat /proc/self/fd/5000").fd(5000, file_with("far up"))), "far up");
    drop(many);
}

#[test]
fn thousands_of_descriptors_of_the_host_stay_outside() {
    run_helper("helper_with_thousands_of_descriptors");
}

#[test]
fn helper_without_streams() {
    if !is_helper("helper_without_streams") {
        return;
    }
    let closed = std::env::var("CLOSED").expect("which to close");
    let results: Vec<File> = (0..2).map(|_| file_with("")).collect();
    let kept: Vec<File> = results.iter().map(|file| file.try_clone().expect("a duplicate")).collect();
    for number in closed.bytes() {
        nix::unistd::close(i32::from(number - b'0')).expect("an open stream");
    }

    let [inherited, given] = <[File; 2]>::try_from(results).expect("two files");
    // What the workload finds at each number goes to a descriptor that was given.
    let find = "all=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo \"$all\" >&9";
    let one = sh(find).fd(9, inherited).status();
    let other = sh("cat; echo works").stdin(Stdio::null()).stdout(given).status();
    let piped = sh("echo piped").output();

    let fine = matches!((one, other), (Ok(one), Ok(other)) if one.success() && other.success());
    let contents: Vec<String> = kept.into_iter().map(content_of).collect();
    let expected = |number: u8| {
        (!closed.as_bytes().contains(&number)) || {
            let line = contents[0].lines().nth(usize::from(number - b'0'));
            line == Some("/dev/null")
        }
    };
    let as_closed = (b'0'..=b'2').all(expected) && contents[0].lines().count() == 3;
    let piped = piped.is_ok_and(|output| output.stdout == b"piped\n");
    // Nobody reads what this process prints: the exit code tells.
    std::process::exit(if fine && as_closed && contents[1] == "works\n" && piped { 42 } else { 43 });
}

#[test]
fn a_host_that_closed_its_streams_can_run_containers() {
    for closed in ["0", "1", "2", "02", "012"] {
        let mut host = this_test("helper_without_streams");
        let host = host.env("CLOSED", closed).stdout(std::process::Stdio::null());

        assert_eq!(host.status().expect("this test program").code(), Some(42), "closed: {closed}");
    }
}

#[test]
fn a_pipe_of_one_container_is_not_held_by_the_next() {
    let cat = Container::new().command("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::null());
    let mut first = cat.spawn().expect("a container");
    let _second = cat.spawn().expect("a container");

    drop(first.stdin.take());

    let report = first.wait_timeout(DEADLINE).expect("init").expect("cat sees the end of its input");
    assert!(report.success());
}

#[test]
fn a_read_only_descriptor_stays_read_only() {
    let path = tempfile::NamedTempFile::new().expect("a temporary file");
    let read_only = File::open(path.path()).expect("the file");

    let inside = stdout(&sh("echo changed >&5 || echo refused").fd(5, read_only).stderr(Stdio::null()));

    assert_eq!(inside, "refused");
    assert_eq!(fs::read(path.path()).expect("the file"), b"");
}
