//! A workload that will not end is ended at its limit, whatever it does, and nothing of it is left.

mod common;

use std::fs;
use std::time::Duration;

use cofferdam::{Cause, Child, Container, Feature, Limit, Namespaces, Seccomp, Stdio};
use common::helper::is_helper;
use common::limits::{
    BUSY, PERL, Stopped, allows, can_account, host_a_container, perl, probe_first, without_groups, works,
};
use common::processes::{
    DEADLINE, eventually, is_alive, is_stopped, next_line, processes_with, unique_sleep,
};
use common::{needs_program, sh, skip_for_good, succeeds};

/// Enough for what is to misbehave to have begun.
const LIMIT: Duration = Duration::from_millis(500);

/// A workload that has an argument which no other process on the machine has.
struct Marked {
    marker: String,
    child: Child,
    limit: Duration,
}

impl Marked {
    /// Starts a workload under a limit of wall time. The marker is `$0` of a shell script, `$ARGV[0]` of one for
    /// perl.
    #[track_caller]
    fn start(container: Container) -> Self {
        Marked::start_for(LIMIT, container)
    }

    #[track_caller]
    fn start_for(limit: Duration, container: Container) -> Self {
        let marker = unique_sleep();
        let container = container.arg(&marker).wall_time_limit(limit).stdin(Stdio::null());
        let child = container.spawn().expect("a container");
        Marked { marker, child, limit }
    }

    /// Waits until so many of its processes are there: the control, that there is something to end.
    #[track_caller]
    fn has_processes(self, count: usize) -> Self {
        eventually("its processes are there", || {
            processes_with(&self.marker) >= count || !is_alive(self.child.id())
        });
        self
    }

    /// It ends at the limit, by init, and nothing is left.
    #[track_caller]
    fn assert_ended(mut self) {
        let report = self.child.wait_timeout(DEADLINE).expect("init").expect("an end within the deadline");

        assert_eq!((report.cause(), report.signal()), (Cause::WallTime, Some(libc::SIGKILL)), "{report:?}");
        assert!(report.wall_time() >= self.limit, "{report:?}");
        assert_eq!(processes_with(&self.marker), 0);
    }
}

/// A process that ends by itself within the limit, so that only what misbehaves is ended.
#[test]
fn a_well_behaved_workload_is_not_ended() {
    probe_first();
    let mut child = sh("sleep 0.1").wall_time_limit(DEADLINE).spawn().expect("a container");

    assert_eq!(child.wait().expect("a report").cause(), Cause::Exited);
}

#[test]
fn one_that_sleeps() {
    probe_first();
    Marked::start(sh("exec sleep $0")).has_processes(1).assert_ended();
}

#[test]
fn one_that_stops_itself() {
    probe_first();
    let workload = Marked::start(sh("kill -STOP $$"));
    let id = workload.child.id();
    eventually("it stops", || is_stopped(id) || !is_alive(id));
    workload.assert_ended();
}

#[test]
fn one_that_ignores_and_blocks_every_signal() {
    probe_first();
    if !needs_program(PERL) {
        return;
    }
    let deaf = "use POSIX; $SIG{$_} = 'IGNORE' for grep !/^__/, keys %SIG; \
        sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1 .. 31)); print 'deaf'; sleep 1 while 1";
    // Perl reads a library first, which takes its time on a slow machine.
    let mut workload = Marked::start_for(6 * LIMIT, perl(deaf).stdout(Stdio::piped()));
    let mut said = [0; 4];
    let pipe = workload.child.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(pipe, &mut said).expect("it says when it is deaf");

    workload.child.signal(libc::SIGTERM).expect("a workload");

    workload.assert_ended();
}

#[test]
fn one_that_starts_a_session_and_a_daemon() {
    probe_first();
    // The daemon's parents are gone, and it is in a session of its own.
    let daemon = "setsid sh -c 'trap \"\" TERM HUP; sleep $0; :' $0";
    Marked::start(sh(&format!("({daemon} &) & exec sleep $0"))).has_processes(3).assert_ended();
}

#[test]
fn one_whose_children_stop() {
    probe_first();
    let script = "for i in 1 2 3; do sh -c 'kill -STOP $$' $0 & done; kill -STOP $$";
    Marked::start(sh(script)).has_processes(4).assert_ended();
}

#[test]
fn one_that_fills_pipes_that_nobody_reads() {
    probe_first();
    let container = sh("yes $0 >&2 & yes $0").stdout(Stdio::piped()).stderr(Stdio::piped());
    Marked::start(container).has_processes(2).assert_ended();
}

#[test]
fn one_that_ends_and_leaves_others_behind() {
    probe_first();
    let leave = sh("sleep $0 & setsid sleep $0 & (sleep $0 &) ; echo ready; read line; exit 3");
    for container in [leave.clone(), beside_the_host(leave)] {
        let marker = unique_sleep();
        let mut child = start_until_ready_with_input(container.arg(&marker));
        eventually("all sleep", || processes_with(&marker) == 4);

        let report = child.wait().expect("a report");

        assert_eq!((report.cause(), report.code()), (Cause::Exited, Some(3)));
        assert_eq!(processes_with(&marker), 0);
    }
}

/// Starts a script and waits for its first line, `ready`. It goes on when its standard input is closed.
#[track_caller]
fn start_until_ready_with_input(container: Container) -> Child {
    let mut child = container.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a container");
    assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")), "ready");
    child
}

#[test]
fn one_in_namespaces_of_its_own() {
    probe_first();
    let unshare =
        |script: &str| sh(&format!("unshare --user --pid --fork {script}")).seccomp(Seccomp::unconfined());
    if !succeeds(&unshare("true")) {
        return skip_for_good("no user namespaces within one here");
    }
    Marked::start(unshare("sh -c 'trap \"\" TERM; sleep $0; :' $0")).has_processes(3).assert_ended();
}

/// Whether a workload may fork without end here: never without a limit of pids.
#[track_caller]
fn can_bound_forks() -> bool {
    needs_program(PERL) && works(Feature::Limit(Limit::Pids), Container::new().pids_limit(9))
}

/// Every process forks without end, and nothing waits. A minute is longer than any test waits: what a failing
/// test leaves ends then.
const FORKS: &str = "my $end = time + 60; while (time < $end) { fork for 1 .. 100 }";

/// The first process sleeps. Beside it others become more and more, each of which ends when it has a child, and
/// so is gone before a signal finds it.
const RUNS_AWAY: &str = "my $end = time + 60;
    unless (fork) {
        while (time < $end) {
            my $children = 0;
            for (1, 2) {
                my $pid = fork;
                $children++ if $pid;
                if (defined $pid and !$pid) { $children = 0; last }
            }
            exit if $children;
        }
    }
    sleep 60";

#[test]
fn one_that_forks_without_end() {
    if can_bound_forks() {
        Marked::start(perl(FORKS).pids_limit(50)).has_processes(50).assert_ended();
    }
}

#[test]
fn one_whose_children_run_away() {
    if can_bound_forks() {
        Marked::start(perl(RUNS_AWAY).pids_limit(50)).has_processes(2).assert_ended();
    }
}

/// A container whose init is not PID 1: it finds the processes one by one.
fn beside_the_host(container: Container) -> Container {
    container.share(Namespaces::PID)
}

#[test]
fn one_that_forks_without_end_and_shares_the_pid_namespace() {
    // Without a group that the kernel can kill at once it could outrun init.
    if can_bound_forks() && can_kill_groups() {
        Marked::start(beside_the_host(perl(FORKS)).pids_limit(50)).has_processes(50).assert_ended();
    }
}

/// Whether containers get a group of v2, which has `cgroup.kill`.
fn can_kill_groups() -> bool {
    let mounts = fs::read_to_string("/proc/mounts").expect("the mounts");
    let has_v2 = mounts.lines().any(|mount| mount.split(' ').nth(2) == Some("cgroup2"));
    if !has_v2 {
        skip_for_good("no cgroup v2 is mounted");
    }
    has_v2 && can_account()
}

#[test]
fn one_whose_children_run_away_and_that_shares_the_pid_namespace() {
    if can_bound_forks() {
        Marked::start(beside_the_host(perl(RUNS_AWAY)).pids_limit(50)).has_processes(2).assert_ended();
    }
}

#[test]
fn one_with_a_daemon_that_shares_the_pid_namespace() {
    probe_first();
    let script = "(setsid sh -c 'trap \"\" TERM HUP; sleep $0; :' $0 &) & kill -STOP $$";
    Marked::start(beside_the_host(sh(script))).has_processes(3).assert_ended();
}

/// The script burns CPU time, and may name the marker `$0`.
#[track_caller]
fn assert_ended_by_its_cpu_time(container: Container) {
    if !works(Feature::Limit(Limit::CpuTime), Container::new().cpu_time_limit(LIMIT)) {
        return;
    }
    let marker = unique_sleep();
    // What a failing test does not end, ends.
    let container = container.arg(&marker).cpu_time_limit(LIMIT).wall_time_limit(DEADLINE);
    let container = container.stdin(Stdio::null());
    let mut child = container.spawn().expect("a container");

    let report = child.wait_timeout(DEADLINE).expect("init").expect("an end within the deadline");

    assert_eq!((report.cause(), report.signal()), (Cause::CpuTime, Some(libc::SIGKILL)), "{report:?}");
    assert!(report.cpu_time() >= LIMIT, "{report:?}");
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn one_that_is_busy_in_many_children() {
    assert_ended_by_its_cpu_time(sh(&format!("for i in 1 2 3 4 5 6 7 8; do ({BUSY}) & done; kill -STOP $$")));
}

#[test]
fn one_that_is_busy_in_daemons() {
    assert_ended_by_its_cpu_time(sh(&format!(
        "for i in 1 2; do (setsid sh -c 'trap \"\" TERM; {BUSY}' $0 &) & done; exec sleep $0"
    )));
}

#[test]
fn one_that_is_busy_with_forks() {
    if can_bound_forks() {
        assert_ended_by_its_cpu_time(perl(FORKS).pids_limit(50));
    }
}

#[test]
fn one_whose_children_end_before_anybody_looks() {
    if can_bound_forks() {
        assert_ended_by_its_cpu_time(perl(RUNS_AWAY).pids_limit(50));
    }
}

#[test]
fn one_that_is_busy_with_system_calls() {
    assert_ended_by_its_cpu_time(sh("exec dd if=/dev/zero of=/dev/null bs=1M status=none"));
}

#[test]
fn one_that_is_busy_and_deaf() {
    if needs_program(PERL) {
        let deaf = "use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1 .. 31)); burn(60)";
        assert_ended_by_its_cpu_time(perl(deaf));
    }
}

#[test]
fn a_pipe_with_output_ends_when_the_workload_is_ended() {
    probe_first();
    let marker = unique_sleep();
    // The daemon holds the pipes open.
    let script = "echo before; (setsid sh -c 'trap \"\" TERM; sleep $0; :' $0 &); kill -STOP $$";

    let output = common::output(&sh(script).arg(&marker).wall_time_limit(LIMIT));

    assert_eq!((output.report.cause(), common::text(&output.stdout).as_str()), (Cause::WallTime, "before"));
    assert_eq!(processes_with(&marker), 0);
}

#[test]
fn helper_with_a_sleeping_program() {
    if is_helper("helper_with_a_sleeping_program") {
        host_a_container(&sh("read line; trap '' TERM; kill -STOP $$").wall_time_limit(LIMIT * 4));
    }
}

#[test]
fn the_limit_of_wall_time_holds_when_the_host_program_is_stopped() {
    probe_first();

    let host = Stopped::start("helper_with_a_sleeping_program");

    assert_eq!(host.cause_of_the_end(), "wall_time");
}

#[test]
fn without_a_cgroup_forks_are_bounded_and_ended_as_well() {
    let container = without_groups(perl(FORKS)).pids_limit(50).best_effort([Limit::Pids]);
    if !allows(Feature::Limit(Limit::Pids)) || !needs_program(PERL) {
        return;
    }
    Marked::start(container).has_processes(50).assert_ended();
}
