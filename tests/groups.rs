//! Containers whose streams are connected: what passes, what is kept of it, and in which order they end.

mod common;

use std::io::Write;
use std::time::Duration;

use cofferdam::{
    Cause, Child, Container, ErrorKind, Group, GroupOutcome, Namespaces, RunningGroup, Stdio, Stream, Tee,
};
use common::calls::{has_perl, perl};
use common::helper::{is_helper, run_helper};
use common::processes::{
    DEADLINE, ProcessState, eventually, init_of, is_alive, processes_with, unique_sleep,
};
use common::{make_open_dir, on_host, sh, stdout, temp_dir, text};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

const A_TO_B: (&str, Stream) = ("a", Stream::Stdout);
const B_READS: (&str, Stream) = ("b", Stream::Stdin);

/// Two members, `a` and `b`.
fn pair(a: Container, b: Container) -> Group {
    Group::new().member("a", a).member("b", b)
}

/// The two kinds of connections from `a` to `b`: a promise about pipes is one about both.
fn both_kinds(group: &Group) -> [Group; 2] {
    [group.clone().connect(A_TO_B, B_READS), group.clone().connect_with_tee(A_TO_B, B_READS, 100)]
}

#[track_caller]
fn spawn(group: &Group) -> RunningGroup {
    group.spawn().unwrap_or_else(|error| panic!("cannot start the group: {error}"))
}

#[track_caller]
fn run(group: &Group) -> GroupOutcome {
    spawn(group).wait().expect("reports")
}

#[track_caller]
fn code(outcome: &GroupOutcome, member: &str) -> Option<i32> {
    outcome.report(member).expect("a member").code()
}

#[track_caller]
fn kept(outcome: &GroupOutcome, member: &str, stream: Stream) -> String {
    text(&outcome.tee(member, stream).expect("a tee").bytes)
}

fn names(outcome: &GroupOutcome) -> Vec<&str> {
    outcome.ends.iter().map(|end| end.member.as_str()).collect()
}

#[track_caller]
fn child<'a>(running: &'a mut RunningGroup, name: &str) -> &'a mut Child {
    running.member_mut(name).expect("a member")
}

/// Sends a member, whose standard input is piped, a line.
#[track_caller]
fn tell(running: &mut RunningGroup, name: &str) {
    child(running, name).stdin.as_mut().expect("a pipe").write_all(b"go\n").expect("a reader");
}

#[track_caller]
fn wait_for_the_end_of(child: &Child) {
    let mut ended = [PollFd::new(child.pidfd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(DEADLINE).expect("a timeout");
    assert_eq!(poll(&mut ended, timeout).expect("poll"), 1, "it goes on");
}

// What passes

#[test]
fn what_one_writes_the_other_reads_to_its_end() {
    for group in both_kinds(&pair(sh("seq 1 100000"), sh("cksum"))) {
        let outcome = run(&group.collect(("b", Stream::Stdout), 100));

        assert!(outcome.success(), "{outcome:?}");
        assert_eq!(kept(&outcome, "b", Stream::Stdout), on_host("seq 1 100000 | cksum"));
    }
}

#[test]
fn two_members_answer_each_other() {
    let asks = "n=1; while [ $n -lt 1000 ]; do echo $n; read n || exit 1; done";
    let doubles = "while read n; do echo $((2 * n)); done";
    let group = pair(sh(asks), sh(doubles));
    let (forth, back) = (A_TO_B, ("b", Stream::Stdout));
    let plain = group.clone().connect(forth, B_READS).connect(back, ("a", Stream::Stdin));
    let teed = group.connect_with_tee(forth, B_READS, 99).connect_with_tee(back, ("a", Stream::Stdin), 99);

    for group in [plain, teed] {
        assert!(run(&group).success());
    }
}

#[test]
fn three_members_make_a_chain() {
    let outcome = run(&pair(sh("seq 1 9"), sh("grep -v 5"))
        .member("c", sh("paste -s -d+"))
        .connect(A_TO_B, B_READS)
        .connect(("b", Stream::Stdout), ("c", Stream::Stdin))
        .collect(("c", Stream::Stdout), 100));

    assert_eq!(kept(&outcome, "c", Stream::Stdout), "1+2+3+4+6+7+8+9");
}

#[test]
fn further_descriptors_and_standard_error_are_connected_too() {
    let group = pair(sh("echo five >&5; echo error >&2"), sh("cat <&7 >&4; cat <&8 >&4"));
    let group = group.collect(("b", Stream::Fd(4)), 100);
    let from = [("a", Stream::Fd(5)), ("a", Stream::Stderr)];
    let to = [("b", Stream::Fd(7)), ("b", Stream::Fd(8))];
    let plain = group.clone().connect(from[0], to[0]).connect(from[1], to[1]);
    let teed = group.connect_with_tee(from[0], to[0], 2).connect_with_tee(from[1], to[1], 3);

    assert_eq!(kept(&run(&plain), "b", Stream::Fd(4)), "five\nerror");
    let outcome = run(&teed);
    assert_eq!(kept(&outcome, "b", Stream::Fd(4)), "five\nerror");
    assert_eq!(kept(&outcome, "a", Stream::Fd(5)), "fi");
    assert_eq!(kept(&outcome, "a", Stream::Stderr), "err");
}

#[test]
fn a_member_can_hear_itself() {
    let group = Group::new().member("a", sh("echo said; read heard; test $heard = said"));
    let itself = ("a", Stream::Stdin);

    assert!(run(&group.clone().connect(A_TO_B, itself)).success());
    assert!(run(&group.connect_with_tee(A_TO_B, itself, 100)).success());
}

#[test]
fn what_is_not_connected_is_as_the_container_says() {
    let a = sh("cat; echo nobody reads >&2").stdin(Stdio::piped()).stderr(Stdio::null());
    let group = pair(a, sh("cat").stdout(Stdio::piped())).connect(A_TO_B, B_READS);
    let mut running = spawn(&group);
    assert!(child(&mut running, "a").stdout.is_none() && child(&mut running, "b").stdin.is_none());

    tell(&mut running, "a");
    drop(child(&mut running, "a").stdin.take());
    let heard = std::io::read_to_string(child(&mut running, "b").stdout.take().expect("a pipe"));

    assert_eq!(heard.expect("text"), "go\n");
    assert!(running.wait().expect("reports").success());
}

#[test]
fn wait_closes_standard_inputs_and_what_waits_with_a_timeout_does_not() {
    let group = pair(sh("cat").stdin(Stdio::piped()), sh("cat >/dev/null")).connect(A_TO_B, B_READS);
    let mut running = spawn(&group);

    assert!(!running.wait_timeout(Duration::from_millis(30)).expect("reports"));
    tell(&mut running, "a");

    assert!(running.wait().expect("reports").success());
}

#[test]
fn members_see_nothing_of_each_other_but_the_stream() {
    let marker = unique_sleep();
    let sleeps = sh("sleep $0 & echo started; wait").arg(&marker);
    let looks = sh("read line; set -- /proc/[0-9]*; grep -l -F -e $0 $(printf '%s/cmdline ' $*); echo $line")
        .arg(&marker);
    let group = pair(sleeps, looks).connect(A_TO_B, B_READS).collect(("b", Stream::Stdout), 1000);
    let mut running = spawn(&group.end_all_when_any_ends(true));

    let end = running.next_end().expect("reports").expect("an end");

    assert_eq!((end.member.as_str(), end.report.code()), ("b", Some(0)));
    // Only its own shell has the marker among its arguments: grep runs after the list was made.
    let said = kept(&running.wait().expect("reports"), "b", Stream::Stdout);
    assert_eq!(said, "/proc/2/cmdline\nstarted");
}

#[test]
fn a_plain_connection_can_be_used_both_ways_and_a_tee_cannot() {
    let hears = sh("read answer </proc/self/fd/1; test $answer = back");
    let plain = pair(hears.clone(), sh("echo back >/proc/self/fd/0; exec sleep 86400"));
    let teed = pair(hears, sh("echo back >/proc/self/fd/0; read own; test $own = back"));

    let plain = run(&plain.connect(A_TO_B, B_READS).end_all_when_any_ends(true));
    let teed = run(&teed.connect_with_tee(A_TO_B, B_READS, 10).end_all_when_any_ends(true));

    assert_eq!((names(&plain), code(&plain, "a")), (vec!["a", "b"], Some(0)));
    assert_eq!((names(&teed), code(&teed, "b")), (vec!["b", "a"], Some(0)));
    assert_eq!(teed.ends[1].report.cause(), Cause::Killed, "it heard nothing");
}

// How connections end

#[test]
fn a_writer_is_ended_when_its_reader_has_ended() {
    for group in both_kinds(&pair(sh("exec yes"), sh("read line"))) {
        let outcome = run(&group);

        assert_eq!(outcome.report("a").expect("a member").signal(), Some(libc::SIGPIPE));
        assert_eq!(code(&outcome, "b"), Some(0));
    }
}

#[test]
fn a_writer_that_ignores_the_signal_gets_the_error() {
    let stubborn = "trap '' PIPE; yes 2>/tmp/said; grep -q 'Broken pipe' /tmp/said && exit 7";
    for group in both_kinds(&pair(sh(stubborn), sh("read line"))) {
        assert_eq!(code(&run(&group), "a"), Some(7));
    }
}

#[test]
fn a_writer_is_ended_when_its_reader_closes_the_input_and_lives_on() {
    let reader = "read line; exec <&-; read end <&3; exit 8";
    for group in both_kinds(&pair(sh("exec yes"), sh(reader))) {
        // The reader goes on until the writer has ended.
        let outcome = run(&group.connect(("a", Stream::Fd(9)), ("b", Stream::Fd(3))));

        assert_eq!(outcome.report("a").expect("a member").signal(), Some(libc::SIGPIPE));
        assert_eq!(code(&outcome, "b"), Some(8));
    }
}

#[test]
fn a_reader_sees_the_end_when_the_writer_closes_its_output_and_lives_on() {
    let writer = "echo last; exec >&-; read end <&3; exit 8";
    for group in both_kinds(&pair(sh(writer), sh("cat >/dev/null"))) {
        // The writer goes on until the reader has ended.
        let outcome = run(&group.connect(("b", Stream::Fd(9)), ("a", Stream::Fd(3))));

        assert_eq!((code(&outcome, "a"), code(&outcome, "b")), (Some(8), Some(0)));
    }
}

#[test]
fn a_reader_sees_the_end_when_the_writer_is_killed() {
    for group in both_kinds(&pair(sh("sleep 86400"), sh("cat; exit 5"))) {
        let running = spawn(&group);
        running.member("a").expect("a member").kill().expect("init");
        let outcome = running.wait().expect("reports");

        assert_eq!(code(&outcome, "b"), Some(5));
    }
}

#[test]
fn a_tee_that_drains_reads_on_when_the_reader_has_gone() {
    let writer = sh("read gone <&3; head -c 1000000 /dev/zero");
    let tee = |tee: Tee| {
        // Its reader has ended when the writer begins.
        let group = pair(writer.clone(), sh("true")).connect_with_tee(A_TO_B, B_READS, tee);
        let outcome = run(&group.connect(("b", Stream::Fd(9)), ("a", Stream::Fd(3))));
        (outcome.tee("a", Stream::Stdout).expect("a tee").total, outcome)
    };

    let (total, drained) = tee(Tee::up_to(10).drain());
    let (seen, broken) = tee(Tee::up_to(10));

    assert_eq!((total, code(&drained, "a")), (1_000_000, Some(0)));
    assert!(seen < 1_000_000 && code(&broken, "a") != Some(0), "the control: {broken:?}");
}

#[test]
fn helper_with_the_default_way_of_sigpipe() {
    #![allow(unsafe_code)]
    if !is_helper("helper_with_the_default_way_of_sigpipe") {
        return;
    }
    // SAFETY: the default disposition; there is no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };

    // What was written meets a reader that has gone before anybody looked.
    let group = pair(sh("echo word"), sh("true")).connect_with_tee(A_TO_B, B_READS, 10);
    let mut running = spawn(&group);
    wait_for_the_end_of(child(&mut running, "a"));
    wait_for_the_end_of(child(&mut running, "b"));
    assert!(running.wait().expect("reports").success());

    let mask = nix::sys::signal::SigSet::thread_get_mask().expect("the mask");
    assert!(!mask.contains(nix::sys::signal::Signal::SIGPIPE), "it is as it was");
    let status = std::process::Command::new("/bin/sh").args(["-c", "kill -PIPE $$"]).status();
    assert!(!status.expect("a shell").success(), "the control: the signal does end programs");
}

#[test]
fn a_broken_pipe_of_a_tee_does_not_end_the_host_program() {
    run_helper("helper_with_the_default_way_of_sigpipe");
}

// What is kept

#[test]
fn a_tee_keeps_as_much_as_it_may_and_passes_on_the_rest() {
    for (cap, count) in [(1, 1), (1, 2), (10, 9), (10, 10), (10, 11), (65_536, 1_000_000), (1 << 30, 300_000)]
    {
        let group = pair(sh(&format!("yes | head -c {count}")), sh("wc -c"));
        let group = group.connect_with_tee(A_TO_B, B_READS, cap).collect(("b", Stream::Stdout), 100);
        let outcome = run(&group);

        let tee = outcome.tee("a", Stream::Stdout).expect("a tee");
        let expected: Vec<u8> = b"y\n".iter().copied().cycle().take(cap.min(count) as usize).collect();
        assert!(tee.bytes == expected, "{} of {count} bytes with {cap}", tee.bytes.len());
        assert_eq!((tee.total, tee.truncated()), (count, count > cap));
        assert_eq!(kept(&outcome, "b", Stream::Stdout), count.to_string());
    }
}

#[test]
fn nothing_moves_through_a_tee_but_while_somebody_waits() {
    let group = pair(sh("echo word"), sh("read word")).connect_with_tee(A_TO_B, B_READS, 100);
    let mut running = spawn(&group);
    wait_for_the_end_of(child(&mut running, "a"));

    let b = child(&mut running, "b").id();
    assert!(is_alive(b), "it waits for the word");
    let outcome = running.wait().expect("reports");

    assert!(outcome.success());
    assert_eq!((names(&outcome), kept(&outcome, "a", Stream::Stdout)), (vec!["a", "b"], "word".into()));
}

#[test]
fn a_writer_waits_for_a_slow_reader_and_nothing_is_lost() {
    const COUNT: u64 = 10_000_000;
    let a = sh(&format!("head -c {COUNT} /dev/zero"));
    let b = sh("read go; wc -c <&3").stdin(Stdio::piped());
    let group = pair(a, b).connect_with_tee(A_TO_B, ("b", Stream::Fd(3)), 10);
    let mut running = spawn(&group.collect(("b", Stream::Stdout), 100));

    assert!(!running.wait_timeout(Duration::from_millis(50)).expect("reports"));
    assert!(is_alive(child(&mut running, "a").id()), "nobody takes what it writes");
    tell(&mut running, "b");
    let outcome = running.wait().expect("reports");

    assert_eq!(kept(&outcome, "b", Stream::Stdout), COUNT.to_string());
    assert_eq!(outcome.tee("a", Stream::Stdout).expect("a tee").total, COUNT);
}

#[test]
fn what_is_collected_ends_and_blocks_nobody() {
    let group = Group::new().member("a", sh("seq 1 100000; echo error >&2"));
    let group = group.collect(A_TO_B, 6).collect(("a", Stream::Stderr), 1000);
    let outcome = run(&group);

    assert!(outcome.success());
    assert_eq!(kept(&outcome, "a", Stream::Stdout), "1\n2\n3");
    assert_eq!(outcome.tee("a", Stream::Stdout).expect("collected").total, 588_895);
    assert_eq!(kept(&outcome, "a", Stream::Stderr), "error");
    assert!(outcome.tee("a", Stream::Fd(3)).is_none() && outcome.tee("b", Stream::Stdout).is_none());
}

#[test]
fn a_conversation_has_its_order() {
    let group = pair(sh("for n in 1 2 3; do echo $n; read n; done"), sh("while read n; do echo -$n; done"));
    let group = group.connect_with_tee(A_TO_B, B_READS, 4);
    let group = group.connect_with_tee(("b", Stream::Stdout), ("a", Stream::Stdin), 100);
    let outcome = run(&group);

    let said: Vec<_> = outcome.conversation().map(|(tee, bytes)| (&*tee.member, text(bytes))).collect();
    let said: Vec<_> = said.iter().map(|(member, bytes)| (*member, bytes.as_str())).collect();
    // The third question is beyond what is kept.
    assert_eq!(said, [("a", "1"), ("b", "-1"), ("a", "2"), ("b", "-2\n-3")]);
    assert!(outcome.tee("a", Stream::Stdout).expect("a tee").truncated());
}

#[test]
fn a_limit_of_output_counts_what_the_group_reads() {
    for limit in [1, 4096, 65_536, 65_537, 1_000_000] {
        let count = |count: u64| {
            let a = sh(&format!("head -c {count} /dev/zero; sleep 86400")).output_limit(limit);
            let a = a.stderr(Stdio::null()).wall_time_limit(Duration::from_secs(3));
            let group = pair(a, sh("wc -c")).connect_with_tee(A_TO_B, B_READS, 1);
            let outcome = run(&group.collect(("b", Stream::Stdout), 100));
            let total = outcome.tee("a", Stream::Stdout).expect("a tee").total;
            assert_eq!(kept(&outcome, "b", Stream::Stdout), total.to_string());
            (total, outcome.report("a").expect("a member").cause())
        };

        assert_eq!(count(limit + 1), (limit, Cause::Output));
        if limit == 4096 {
            assert_eq!(count(limit), (limit, Cause::WallTime), "the control: it is not beyond its limit");
        }
    }
}

#[test]
fn a_limit_of_output_counts_both_streams_and_no_other() {
    let script = "head -c 600 /dev/zero; head -c 9000 /dev/zero >&5; head -c $0 /dev/zero >&2";
    let cause = |count: &str| {
        let group = Group::new().member("a", sh(script).arg(count).output_limit(1000));
        let group = group.collect(A_TO_B, 1).collect(("a", Stream::Stderr), 1);
        run(&group.collect(("a", Stream::Fd(5)), 1)).report("a").expect("a member").cause()
    };

    assert_eq!((cause("400"), cause("401")), (Cause::Exited, Cause::Output));
}

#[test]
fn a_limit_of_output_counts_what_is_read_only_after_the_end() {
    if !has_perl() {
        return;
    }
    const LIMIT: u64 = 200_000;
    for (count, cause) in [(LIMIT, Cause::Exited), (LIMIT + 1, Cause::Output)] {
        // More than is read at once, in a pipe that holds it all: F_SETPIPE_SZ.
        let a = perl(&format!("<STDIN>; fcntl(STDOUT, 1031, 1 << 20) or die; print 'x' x {count}"));
        let group = Group::new().member("a", a.output_limit(LIMIT).stdin(Stdio::piped()));
        let mut running = spawn(&group.collect(A_TO_B, 1));
        let init = init_of(child(&mut running, "a"));
        tell(&mut running, "a");
        eventually("all of it ends", || !is_alive(init));

        let outcome = running.wait().expect("reports");

        let report = outcome.report("a").expect("a member");
        assert_eq!((report.cause(), report.code()), (cause, Some(0)));
        assert_eq!(outcome.tees[0].total, LIMIT);
    }
}

#[test]
fn a_limit_of_output_that_nobody_could_hold_is_an_error() {
    let group = pair(sh("echo").output_limit(10).stderr(Stdio::null()), sh("cat"));

    let error = group.clone().connect(A_TO_B, B_READS).spawn().expect_err("nobody counts");

    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "limits"), "{error}");
    assert!(error.subject().contains("`a`") && error.remedy().expect("a remedy").contains("tee"), "{error}");
    assert!(run(&group.connect_with_tee(A_TO_B, B_READS, 10).collect(("b", Stream::Stdout), 9)).success());
}

// What cannot work

#[track_caller]
fn refused(group: Group, words: &[&str]) {
    let error = group.spawn().expect_err("a description that cannot work");
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "group"), "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "no {word} in: {error}");
    }
}

#[test]
fn wrong_descriptions_are_errors_before_anything_is_created() {
    let marker = unique_sleep();
    let sleeper = || Container::new().command("sleep").arg(&marker);
    let group = pair(sleeper(), sleeper());
    let (a, b) = (A_TO_B, B_READS);

    refused(Group::new(), &["without members"]);
    refused(group.clone().member("a", sleeper()), &["two members", "`a`"]);
    refused(group.clone().connect(("nobody", Stream::Stdout), b), &["`nobody`", "the members are `a`, `b`"]);
    refused(group.clone().connect(a, ("nobody", Stream::Stdin)), &["`nobody`"]);
    refused(group.clone().collect(("nobody", Stream::Stdout), 1), &["`nobody`"]);
    refused(group.clone().connect(("a", Stream::Stdin), b), &["standard input of `a` as an output"]);
    refused(group.clone().connect(a, ("b", Stream::Stdout)), &["standard output of `b` as an input"]);
    refused(group.clone().connect(a, ("b", Stream::Stderr)), &["standard error of `b` as an input"]);
    let once = group.clone().connect(a, b);
    refused(once.clone().connect(a, ("b", Stream::Fd(3))), &["standard output of `a`", "twice", "one input"]);
    refused(once.clone().connect(("b", Stream::Stdout), b), &["standard input of `b`", "twice"]);
    refused(once.clone().collect(a, 10), &["standard output of `a`", "twice"]);
    let (five, seven) = (("a", Stream::Fd(5)), ("b", Stream::Fd(7)));
    refused(group.clone().connect(five, five), &["descriptor 5 of `a`", "twice"]);
    refused(group.clone().connect(five, seven).connect(seven, b), &["descriptor 7 of `b`", "twice"]);
    refused(group.clone().connect_with_tee(a, b, 0), &["keeps nothing", "at least one byte"]);
    refused(group.clone().collect(a, 0), &["keeps nothing"]);
    let set = pair(sleeper().stdout(Stdio::piped()), sleeper().fd(7, tempfile::tempfile().expect("a file")));
    refused(set.clone().connect(a, b), &["standard output of `a`", "set by its container"]);
    refused(set.connect(("a", Stream::Stderr), seven), &["descriptor 7 of `b`", "set by its container"]);
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn numbers_that_no_descriptor_can_have_are_errors() {
    for number in [0, 1, 2, 1 << 21] {
        let group = pair(sh("true"), sh("true")).connect(("a", Stream::Fd(number)), B_READS);
        let error = group.spawn().expect_err("no such number");

        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "descriptor"), "{error}");
        assert!(error.subject().contains("member `a`"), "{error}");
    }
}

#[test]
fn what_fails_without_a_process_fails_before_the_first_member_runs() {
    let directory = temp_dir();
    let open = directory.path().join("open");
    make_open_dir(&open);
    let first = sh("echo > /work/ran").bind_writable(&open, "/work");
    let group = |second: Container| pair(first.clone(), second).connect(A_TO_B, B_READS);

    let error = group(sh("cat").rootfs("/no/such/place")).spawn().expect_err("no root file system");

    assert_eq!((error.kind(), error.step()), (ErrorKind::NotFound, "rootfs"), "{error}");
    assert_eq!(error.subject().split(':').next(), Some("member `b`"), "{error}");
    assert!(!open.join("ran").exists());
    assert!(run(&group(sh("cat"))).success());
    assert!(open.join("ran").exists(), "the control");
}

#[test]
fn if_one_cannot_be_started_the_others_are_ended() {
    let marker = unique_sleep();
    let first = sh("sleep $0 & sleep $0").arg(&marker);
    let group = pair(first, Container::new().command("/no/such/program")).connect(A_TO_B, B_READS);

    let error = group.spawn().expect_err("no program");

    assert_eq!((error.kind(), error.step()), (ErrorKind::NotFound, "exec"), "{error}");
    assert_eq!(error.subject(), "member `b`: /no/such/program");
    assert_eq!(processes_with(&marker), 0);
}

// The order of the ends

/// Three members, each of which ends when it is told to.
fn obedient() -> Group {
    let obeys = || sh("read line").stdin(Stdio::piped());
    pair(obeys(), obeys()).member("c", obeys())
}

#[test]
fn ends_are_told_in_their_order() {
    let mut running = spawn(&obedient());
    let mut elapsed = Vec::new();

    for name in ["b", "c", "a"] {
        tell(&mut running, name);
        let end = running.next_end().expect("reports").expect("an end");
        assert_eq!((end.member.as_str(), end.report.code()), (name, Some(0)));
        elapsed.push(end.elapsed);
    }

    assert!(elapsed.is_sorted(), "{elapsed:?}");
    assert!(running.next_end().expect("reports").is_none() && running.next_end().expect("reports").is_none());
    assert_eq!(names(&running.wait().expect("reports")), ["b", "c", "a"]);
}

#[test]
fn the_order_is_known_even_if_nobody_waited_while_they_ended() {
    for order in [["b", "c", "a"], ["c", "b", "a"], ["a", "b", "c"]] {
        let mut running = spawn(&obedient());
        for name in order {
            tell(&mut running, name);
            wait_for_the_end_of(child(&mut running, name));
        }

        assert_eq!(names(&running.wait().expect("reports")), order);
    }
}

#[test]
fn the_reports_are_the_members_own() {
    let group = pair(sh("exit 3"), sh("sleep 86400").wall_time_limit(Duration::from_millis(200)));
    let outcome = run(&group.member("c", sh("kill -TERM $$")));

    let causes = ["a", "b", "c"].map(|name| outcome.report(name).expect("a member").cause());
    assert_eq!(causes, [Cause::Exited, Cause::WallTime, Cause::Signalled]);
    assert_eq!((code(&outcome, "a"), outcome.success()), (Some(3), false));
    let slow = outcome.ends.iter().find(|end| end.member == "b").expect("its end");
    assert!(slow.elapsed >= Duration::from_millis(200), "{outcome:?}");
    assert!(outcome.report("d").is_none());
}

#[test]
fn waiting_with_a_timeout_tells_whether_all_have_ended() {
    let mut running = spawn(&pair(sh("true"), sh("read line").stdin(Stdio::piped())));

    assert_eq!(running.next_end().expect("reports").expect("an end").member, "a");
    assert!(!running.wait_timeout(Duration::ZERO).expect("reports"));
    assert!(!running.wait_timeout(Duration::from_millis(30)).expect("reports"));
    assert_eq!(running.ends().len(), 1);
    tell(&mut running, "b");
    eventually("the end", || running.wait_timeout(Duration::ZERO).expect("reports"));

    assert_eq!(running.ends().len(), 2);
    assert!(running.wait_timeout(Duration::ZERO).expect("reports"), "again");
}

#[test]
fn all_others_end_when_one_has_only_on_request() {
    let deaf = || sh("trap '' TERM HUP INT; sleep 86400 & kill -STOP $$");
    let group = pair(deaf(), sh("read line; exit 4").stdin(Stdio::piped())).member("c", deaf());

    let mut running = spawn(&group.clone().end_all_when_any_ends(true));
    assert!(!running.wait_timeout(Duration::from_millis(30)).expect("reports"), "before the first end");
    tell(&mut running, "b");
    let outcome = running.wait().expect("reports");
    let mut control = spawn(&group);
    tell(&mut control, "b");

    assert_eq!((outcome.ends[0].member.as_str(), code(&outcome, "b")), ("b", Some(4)));
    assert_eq!(outcome.ends[0].report.cause(), Cause::Exited);
    assert!(outcome.ends[1..].iter().all(|end| end.report.cause() == Cause::Killed), "{outcome:?}");
    assert_eq!(control.next_end().expect("reports").expect("an end").member, "b");
    assert!(!control.wait_timeout(Duration::from_millis(30)).expect("reports"));
}

#[test]
fn kill_ends_every_member() {
    let marker = unique_sleep();
    let sleeper = || sh("trap '' TERM; sleep $0 & kill -STOP $$").arg(&marker);
    let running = spawn(&pair(sleeper(), sleeper()).connect_with_tee(A_TO_B, B_READS, 10));

    running.kill().expect("inits");
    let outcome = running.wait().expect("reports");

    assert!(outcome.ends.iter().all(|end| end.report.cause() == Cause::Killed), "{outcome:?}");
    assert_eq!((outcome.ends.len(), processes_with(&marker)), (2, 0));
}

#[test]
fn dropped_it_ends() {
    let marker = unique_sleep();
    let sleeper = || sh("sleep $0 & sleep $0").arg(&marker);
    let running = spawn(&pair(sleeper(), sleeper()).connect_with_tee(A_TO_B, B_READS, 10));
    eventually("they run", || processes_with(&marker) >= 6);

    drop(running);

    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn a_member_whose_init_is_killed_is_an_error_with_its_name_and_the_others_go_on() {
    let group = pair(sh("sleep 86400"), sh("cat; exit 6")).connect(A_TO_B, B_READS);
    let mut running = spawn(&group);
    let init = init_of(child(&mut running, "a"));
    on_host(&format!("kill -KILL {init}"));

    let error = running.next_end().expect_err("no report");
    let end = running.next_end().expect("a report").expect("an end");

    assert_eq!(error.step(), "wait", "{error}");
    assert!(error.subject().contains("member `a`"), "{error}");
    assert_eq!((end.member.as_str(), end.report.code()), ("b", Some(6)));
    assert_eq!(names(&running.wait().expect("the rest")), ["b"]);
}

#[test]
fn a_member_that_stops_its_init_is_heard_of_all_the_same() {
    // An init that is not PID 1 can be stopped, here when the start is over.
    let a = sh("read go; kill -STOP $PPID; echo stopped; exit 3").share(Namespaces::PID);
    let group = pair(a.stdin(Stdio::piped()), sh("cat >/dev/null"));
    let mut running = spawn(&group.connect_with_tee(A_TO_B, B_READS, 10));
    tell(&mut running, "a");
    let outcome = running.wait().expect("reports");

    assert_eq!((code(&outcome, "a"), kept(&outcome, "a", Stream::Stdout)), (Some(3), "stopped".into()));
}

// What is left

#[test]
fn helper_that_looks_at_all_it_holds() {
    if !is_helper("helper_that_looks_at_all_it_holds") {
        return;
    }
    let group = pair(sh("echo word; read end"), sh("read word; echo end"))
        .connect_with_tee(A_TO_B, B_READS, 100)
        .connect(("b", Stream::Stdout), ("a", Stream::Stdin))
        .collect(("a", Stream::Stderr), 100);
    let failing = pair(sh("cat"), Container::new().command("/no/such/program")).connect(A_TO_B, B_READS);
    let round = || {
        run(&group.clone().end_all_when_any_ends(true));
        drop(spawn(&group));
        assert!(failing.spawn().is_err());
    };
    round();
    let before = ProcessState::now();

    (0..10).for_each(|_| round());
    let mut running = spawn(&group);
    let while_it_runs = ProcessState::now();
    running.kill().and_then(|()| running.wait_timeout(DEADLINE)).expect("reports");
    drop(running);

    assert_eq!(while_it_runs.threads, before.threads);
    // The watch, three for each member, three ends of what is read and passed on.
    assert_eq!(while_it_runs.descriptors.len() - before.descriptors.len(), 1 + 2 * 3 + 3);
    assert_eq!(ProcessState::now(), before);
}

#[test]
fn groups_leave_nothing_and_start_no_thread() {
    run_helper("helper_that_looks_at_all_it_holds");
}

#[test]
fn a_group_can_be_started_many_times_and_at_once() {
    let group = pair(sh("echo $$"), sh("cat")).connect(A_TO_B, B_READS).collect(("b", Stream::Stdout), 99);

    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| kept(&run(&group), "b", Stream::Stdout))).collect();
        for run in runs {
            assert_eq!(run.join().expect("a run"), stdout(&sh("echo $$")));
        }
    });
}
