//! What the tests of limits share: whether a limit works here, and programs that use CPU time.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child as HostProcess, ChildStdout, Stdio as HostStdio};
use std::sync::OnceLock;

use cofferdam::{Container, Enforcement, ErrorKind, Feature, Host, Limit, Report};

use super::helper::this_test;
use super::processes::{eventually, init_of, is_alive, is_stopped};
use super::{on_host, skip_for_good};

/// What the probe says, asked once.
pub fn allows(feature: Feature) -> bool {
    probe_first().allows(feature)
}

/// What a test does before it starts any process, also where it needs no cgroup: on cgroup v2 this program moves
/// to a group of its own when it first limits something, with its children; theirs then find room beside it.
pub fn probe_first() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(Host::probe)
}

/// Whether a limit works here. Where it does not, asking for it must be an error that helps.
#[track_caller]
pub fn works(feature: Feature, container: Container) -> bool {
    if allows(feature) {
        return true;
    }
    assert_unavailable(container);
    skip_for_good(&format!("no {feature} here; asking for it is the error that it should be"));
    false
}

/// Asking for a limit that cannot be held is an error with a remedy.
#[track_caller]
fn assert_unavailable(container: Container) {
    let error = container.command("/bin/true").spawn().expect_err("a limit that is not there");
    assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "cgroup"), "{error}");
    assert!(error.remedy().is_some(), "{error}");
}

/// Whether a container can have a cgroup for its figures, and for being frozen. Whoever can limit CPU time can
/// have one.
#[track_caller]
pub fn can_account() -> bool {
    works(Feature::Limit(Limit::CpuTime), Container::new().accounting(true))
}

/// As [`works`] for pids, held by a cgroup: a refusal is then known. `RLIMIT_NPROC` tells nobody.
#[track_caller]
pub fn counts_refused_processes() -> bool {
    if !allows(Feature::Limit(Limit::Pids)) {
        return works(Feature::Limit(Limit::Pids), Container::new().pids_limit(9));
    }
    let report = super::output(&Container::new().command("/bin/true").pids_limit(9)).report;
    let by_group = enforcement(&report, Limit::Pids).mechanism == "pids.max";
    if !by_group {
        skip_for_good("no cgroup with the controller pids here; RLIMIT_NPROC holds the limit");
    }
    by_group
}

/// What enforced a limit that the container had.
#[track_caller]
pub fn enforcement(report: &Report, limit: Limit) -> Enforcement {
    let known = report.enforced_by().iter().find(|by| by.limit == limit);
    *known.unwrap_or_else(|| panic!("{limit} was not enforced: {report:?}"))
}

/// A container whose groups cannot be made: what an ordinary user has to whom nothing is delegated.
pub fn without_groups(container: Container) -> Container {
    container.cgroup_parent("/no/such/group")
}

/// A shell script that uses a CPU without end.
pub const BUSY: &str = "while :; do :; done";

/// Runs a perl script that has the function `cpu`, the seconds of CPU time that the process has used, and
/// `burn`, which uses so many seconds more.
pub fn perl(script: &str) -> Container {
    Container::new().command(PERL).args(["-e", &format!("{}{script}", functions())])
}

/// The program that [`perl`] runs.
pub const PERL: &str = "/usr/bin/perl";

fn functions() -> String {
    let (call, clock) = (libc::SYS_clock_gettime, libc::CLOCK_PROCESS_CPUTIME_ID);
    format!(
        "$| = 1;
         sub cpu {{
             my $time = \"\\0\" x 16;
             syscall({call}, {clock}, $time);
             my ($seconds, $nanoseconds) = unpack('q2', $time);
             $seconds + $nanoseconds / 1e9
         }}
         sub burn {{ my $end = cpu() + shift; while (cpu() < $end) {{ $sum += $_ for 1 .. 1000 }} }}
         "
    )
}

/// What the helper of [`Stopped`] does: it runs the container, whose workload is to wait for a line, and says
/// how it ended.
pub fn host_a_container(container: &Container) {
    let mut child = container.spawn().expect("a container");
    println!("PIDS {} {}", child.id(), init_of(&child));
    println!("CAUSE {}", child.wait().expect("a report").cause());
}

/// A host program that is stopped while its container runs.
pub struct Stopped {
    host: HostProcess,
    output: BufReader<ChildStdout>,
    workload: u32,
    init: u32,
}

impl Stopped {
    /// Starts the helper of this name, and stops it when the container runs.
    #[track_caller]
    pub fn start(helper: &str) -> Self {
        let mut command = this_test(helper);
        let mut host =
            command.stdin(HostStdio::piped()).stdout(HostStdio::piped()).spawn().expect("a helper");
        let mut output = BufReader::new(host.stdout.take().expect("a pipe"));
        let pids = after(&mut output, "PIDS ");
        let mut pids = pids.split(' ').map(|pid| pid.parse().expect("a number"));
        let (workload, init) = (pids.next().expect("the workload"), pids.next().expect("init"));
        let id = host.id();
        on_host(&format!("kill -STOP {id}"));
        eventually("the host program stops", || is_stopped(id));
        Stopped { host, output, workload, init }
    }

    /// Sends the workload its line, waits for its end and that of init, sets the host program going again, and
    /// returns the cause that it printed.
    #[track_caller]
    pub fn cause_of_the_end(mut self) -> String {
        assert!(is_alive(self.workload), "it waits for its line");
        let mut input = self.host.stdin.take().expect("a pipe");
        input.write_all(b"go\n").expect("a reader");
        eventually("the workload is ended", || !is_alive(self.workload));
        eventually("nothing is left of the container", || !is_alive(self.init));
        let id = self.host.id();
        assert!(is_stopped(id), "its host program has done nothing about it");
        on_host(&format!("kill -CONT {id}"));
        let cause = after(&mut self.output, "CAUSE ");
        assert!(self.host.wait().expect("a child").success());
        cause
    }
}

/// A helper that a failing test leaves ends, and its container with it.
impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}

/// What stands behind the first occurrence of a mark.
#[track_caller]
fn after(output: &mut impl BufRead, mark: &str) -> String {
    let lines = output.lines().map(|line| line.expect("text"));
    let found = lines.into_iter().find_map(|line| Some(line.split_once(mark)?.1.to_owned()));
    found.unwrap_or_else(|| panic!("the helper did not print {mark}"))
}
