//! The limits that a run is judged by, and the judgement: from what init and the groups tell to a report.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::cgroup::{Groups, Layout};
use crate::config::limits::Limits;
use crate::config::{Description, Limit};
use crate::report::{Cause, Enforcement, Report};
use crate::seccomp::Syscall;
use crate::usage::{Figure, Usage};
use crate::wire::{Calls, End, Ending};

/// What the report compares with what was used.
#[derive(Debug)]
pub(super) struct Terms {
    pub wall_time: Option<Duration>,
    pub cpu_time: Option<Duration>,
    pub extra_time: Duration,
    pub output: Option<u64>,
    pub swap: Option<u64>,
    pub file_size: bool,
    /// `RLIMIT_CPU` helps to hold the limit of CPU time.
    pub cpu_by_rlimit: bool,
    pub enforced_by: Vec<Enforcement>,
}

/// What holds the limit of CPU time, by the file that tells it.
pub(super) fn cpu_time_mechanism(file: &str) -> &'static str {
    if file == "cpu.stat" { "init by cpu.stat" } else { "init by cpuacct.usage" }
}

/// The bytes of a block in `ru_inblock` and `ru_oublock`.
const BLOCK: u64 = 512;

impl Terms {
    pub fn new(container: &Description, layout: &Layout) -> Self {
        let limits = &container.limits;
        let Limits { wall_time, cpu_time, extra_time, output, swap, .. } = *limits;
        let file_size = limits.file_size.is_some();
        let cpu_by_rlimit = layout.fallbacks.contains(&Limit::CpuTime);
        Terms {
            wall_time,
            cpu_time,
            extra_time,
            output,
            swap,
            file_size,
            cpu_by_rlimit,
            enforced_by: enforcement(container, layout),
        }
    }

    /// Notes a limit that came later.
    pub fn enforces(&mut self, limit: Limit, mechanism: &'static str) {
        if self.enforced_by.iter().all(|known| known.limit != limit) {
            self.enforced_by.push(Enforcement { limit, mechanism, strict: true });
        }
    }

    pub fn report(&self, end: &End, groups: &Groups, output_exceeded: bool) -> Report {
        let status = ExitStatus::from_raw(end.status);
        let mut usage = usage(end);
        groups.fill_in(&mut usage, Duration::from_nanos(end.setup));
        let reached = self.reached(&usage, status, groups, output_exceeded);
        let cause = cause(end.ending, status, &reached, end.violation != 0);
        let violation = end.violation.checked_sub(1).map(|number| Syscall::from_number(number as u32));
        let would_be_denied = (0..=Calls::LAST).filter(|number| end.reported.contains(*number));
        let would_be_denied = would_be_denied.map(Syscall::from_number).collect();
        let enforced_by = self.enforced_by.clone();
        Report { cause, status, usage, reached, enforced_by, violation, would_be_denied }
    }

    /// In the order in which they decide on the cause.
    fn reached(&self, usage: &Usage, status: ExitStatus, groups: &Groups, output: bool) -> Vec<Limit> {
        let over = |used: Duration, limit: Option<Duration>| limit.is_some_and(|limit| used > limit);
        let cpu_time = usage.cpu_time.map(|figure| figure.value).unwrap_or_default();
        let by_rlimit = self.cpu_by_rlimit && status.signal() == Some(libc::SIGXCPU);
        let facts = [
            (Limit::Memory, groups.out_of_memory(usage)),
            (Limit::Output, output),
            (Limit::FileSize, self.file_size && status.signal() == Some(libc::SIGXFSZ)),
            (Limit::CpuTime, by_rlimit || over(cpu_time, self.cpu_time)),
            (Limit::WallTime, over(usage.wall_time, self.wall_time)),
            (Limit::Pids, groups.pids_refused(usage)),
        ];
        facts.into_iter().filter(|(_, is_so)| *is_so).map(|(limit, _)| limit).collect()
    }
}

/// Every limit of the container, and what holds it.
fn enforcement(container: &Description, layout: &Layout) -> Vec<Enforcement> {
    let limits = &container.limits;
    let mut list: Vec<_> = layout.enforcement().collect();
    let mut add = |wanted: bool, limit, mechanism, strict| {
        if wanted {
            list.push(Enforcement { limit, mechanism, strict });
        }
    };
    for fallback in &layout.fallbacks {
        let (mechanism, strict) = match fallback {
            Limit::Pids => ("RLIMIT_NPROC", true),
            Limit::Memory => ("RLIMIT_DATA", false),
            Limit::CpuTime => ("init and RLIMIT_CPU", false),
            _ => ("sched_setaffinity", false),
        };
        add(true, *fallback, mechanism, strict);
    }
    add(limits.wall_time.is_some(), Limit::WallTime, "init", true);
    if let (Some(_), Some((_, file))) = (limits.cpu_time, layout.cpu_meter()) {
        add(true, Limit::CpuTime, cpu_time_mechanism(file), true);
    }
    add(limits.output.is_some(), Limit::Output, "host", true);
    add(limits.file_size.is_some(), Limit::FileSize, "RLIMIT_FSIZE", true);
    add(limits.disk.is_some(), Limit::Disk, "tmpfs", !container.files.writes_to_host());
    list
}

/// Where init ended the workload, its reason counts; otherwise the first of the facts.
fn cause(ending: Ending, status: ExitStatus, reached: &[Limit], violated: bool) -> Cause {
    let has = |limit| reached.contains(&limit);
    match ending {
        Ending::Killed => Cause::Killed,
        Ending::WallTime => Cause::WallTime,
        Ending::CpuTime => Cause::CpuTime,
        Ending::Output => Cause::Output,
        Ending::Seccomp => Cause::Seccomp,
        Ending::Own if has(Limit::Memory) && !status.success() => Cause::Memory,
        Ending::Own if has(Limit::Output) || has(Limit::FileSize) => Cause::Output,
        Ending::Own if has(Limit::CpuTime) => Cause::CpuTime,
        Ending::Own if has(Limit::WallTime) => Cause::WallTime,
        Ending::Own if violated || status.signal() == Some(libc::SIGSYS) => Cause::Seccomp,
        Ending::Own if has(Limit::Pids) && !status.success() => Cause::Pids,
        Ending::Own if status.signal().is_some() => Cause::Signalled,
        Ending::Own => Cause::Exited,
    }
}

/// What init knows by wait4(2) and getrusage(2).
fn usage(end: &End) -> Usage {
    let setup = Duration::from_nanos(end.setup);
    let (user, system) = (Duration::from_nanos(end.user), Duration::from_nanos(end.system));
    // The set-up was system calls, but the kernel portions time out by ticks: what it did not count there it
    // counted as the other.
    let rest = setup.saturating_sub(system);
    let (user, system) = (user.saturating_sub(rest), system.saturating_sub(setup));
    Usage {
        wall_time: Duration::from_nanos(end.wall),
        cpu_time: Some(Figure::new(user + system, "ru_utime + ru_stime")),
        user_time: Some(Figure::new(user, "ru_utime")),
        system_time: Some(Figure::new(system, "ru_stime")),
        memory_peak: Some(Figure::new(end.max_rss * 1024, "ru_maxrss")),
        io_read: Some(Figure::new(end.blocks_read * BLOCK, "ru_inblock")),
        io_written: Some(Figure::new(end.blocks_written * BLOCK, "ru_oublock")),
        voluntary_switches: Some(Figure::new(end.voluntary_switches, "ru_nvcsw")),
        involuntary_switches: Some(Figure::new(end.involuntary_switches, "ru_nivcsw")),
        minor_faults: Some(Figure::new(end.minor_faults, "ru_minflt")),
        major_faults: Some(Figure::new(end.major_faults, "ru_majflt")),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXITED: i32 = 0;
    const FAILED: i32 = 1 << 8;
    const KILLED: i32 = libc::SIGKILL;

    fn cause_of(ending: Ending, status: i32, reached: &[Limit]) -> Cause {
        cause(ending, ExitStatus::from_raw(status), reached, false)
    }

    #[test]
    fn a_forbidden_call_of_a_child_counts_though_the_workload_has_ended_just_before() {
        let violated = |reached: &[Limit]| cause(Ending::Own, ExitStatus::from_raw(EXITED), reached, true);
        assert_eq!(violated(&[]), Cause::Seccomp);
        assert_eq!(violated(&[Limit::CpuTime]), Cause::CpuTime);
    }

    #[test]
    fn what_init_did_counts_before_all_facts() {
        let everything = [Limit::Memory, Limit::Output, Limit::CpuTime, Limit::WallTime, Limit::Pids];
        assert_eq!(cause_of(Ending::Killed, KILLED, &everything), Cause::Killed);
        assert_eq!(cause_of(Ending::WallTime, KILLED, &everything), Cause::WallTime);
        assert_eq!(cause_of(Ending::CpuTime, KILLED, &everything), Cause::CpuTime);
        assert_eq!(cause_of(Ending::Output, KILLED, &everything), Cause::Output);
        assert_eq!(cause_of(Ending::Seccomp, KILLED, &everything), Cause::Seccomp);
    }

    #[test]
    fn a_kill_for_want_of_memory_counts_only_where_the_workload_failed() {
        assert_eq!(cause_of(Ending::Own, KILLED, &[Limit::Memory]), Cause::Memory);
        assert_eq!(cause_of(Ending::Own, FAILED, &[Limit::Memory]), Cause::Memory);
        assert_eq!(cause_of(Ending::Own, EXITED, &[Limit::Memory]), Cause::Exited);
        assert_eq!(cause_of(Ending::Own, KILLED, &[]), Cause::Signalled);
    }

    #[test]
    fn facts_decide_in_their_order() {
        let order = [
            (Limit::Memory, Cause::Memory),
            (Limit::Output, Cause::Output),
            (Limit::CpuTime, Cause::CpuTime),
            (Limit::WallTime, Cause::WallTime),
            (Limit::Pids, Cause::Pids),
        ];
        for first in 0..order.len() {
            let reached: Vec<_> = order[first..].iter().map(|(limit, _)| *limit).collect();
            assert_eq!(cause_of(Ending::Own, FAILED, &reached), order[first].1, "{reached:?}");
        }
    }

    #[test]
    fn a_late_program_is_late_though_it_succeeded() {
        assert_eq!(cause_of(Ending::Own, EXITED, &[Limit::CpuTime]), Cause::CpuTime);
        assert_eq!(cause_of(Ending::Own, EXITED, &[Limit::WallTime]), Cause::WallTime);
        assert_eq!(cause_of(Ending::Own, EXITED, &[Limit::Pids]), Cause::Exited);
    }

    #[test]
    fn signals_that_have_a_meaning_of_their_own_have_it() {
        assert_eq!(cause_of(Ending::Own, libc::SIGSYS, &[]), Cause::Seccomp);
        assert_eq!(cause_of(Ending::Own, libc::SIGXFSZ, &[Limit::FileSize]), Cause::Output);
        assert_eq!(cause_of(Ending::Own, libc::SIGXFSZ, &[]), Cause::Signalled);
        assert_eq!(cause_of(Ending::Own, libc::SIGABRT, &[]), Cause::Signalled);
    }

    #[test]
    fn the_time_of_the_set_up_does_not_count() {
        let end = End { setup: 300, user: 1_000, system: 200, ..End::default() };

        let usage = usage(&end);

        let nanoseconds = |figure: Option<Figure<Duration>>| figure.map(|figure| figure.value.as_nanos());
        assert_eq!(nanoseconds(usage.cpu_time), Some(900));
        assert_eq!((nanoseconds(usage.user_time), nanoseconds(usage.system_time)), (Some(900), Some(0)));
    }
}
