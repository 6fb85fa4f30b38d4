//! What the handle can see and change while the container runs.

use std::fs;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::cgroup::{Freezing, Groups};
use super::child::{Child, has_ended, is_gone};
use super::terms::cpu_time_mechanism;
use crate::config::Limit;
use crate::config::limits::end_of;
use crate::error::{Error, ErrorKind, Result};
use crate::plan;
use crate::usage::{Figure, Usage};
use crate::wire::Command;

/// # Watching and changing a running container
///
/// ```
/// use cofferdam::{Cause, Container, Stdio};
/// use std::time::Duration;
/// let mut child = Container::new().command("sleep").arg("100").stdin(Stdio::null()).spawn()?;
/// child.pause()?;
/// println!("{:?} so far", child.stats()?.wall_time);
/// child.set_wall_time_limit(Duration::from_millis(200))?;
/// child.resume()?;
/// assert_eq!(child.wait()?.cause(), Cause::WallTime);
/// # Ok::<(), cofferdam::Error>(())
/// ```
impl Child {
    /// What the container has used up to now. After the end it is what the report says.
    ///
    /// Without a cgroup (see [`accounting`](crate::Container::accounting)) only the workload's first process
    /// and those it has waited for are counted, in ticks of the kernel's clock.
    ///
    /// # Errors
    /// None that is known. A figure that cannot be had is `None`.
    pub fn stats(&self) -> Result<Usage> {
        if let Some(report) = &self.report {
            return Ok(report.usage().clone());
        }
        let mut usage = Usage { wall_time: self.running.started.elapsed(), ..Usage::default() };
        // Once it has ended its number may be another process's.
        usage.cpu_time = cpu_time_by_proc(self.running.workload_pid).filter(|_| !has_ended(self.pidfd()));
        if let Some(groups) = self.running.groups() {
            // The set-up's share is known only to init, and tiny.
            groups.fill_in(&mut usage, Duration::ZERO);
            groups.fill_in_present(&mut usage);
        }
        Ok(usage)
    }

    /// Stops everything in the container until [`resume`](Self::resume), and returns when it stands still. Limits
    /// of wall time go on. It can still be killed.
    ///
    /// A container with a cgroup of v2 (Linux 5.2) is frozen, and notices nothing. Elsewhere all its processes
    /// get `SIGSTOP`, which their parents can see; they stop at once, but the call does not wait for it.
    ///
    /// # Errors
    /// If init is gone, or a process cannot be stopped within ten seconds because it waits for a device, or for the
    /// answer to a call that a [`Notifier`](crate::Notifier) has returned: then all go on. A
    /// [`resume`](Self::resume) from another thread at the same time is no error: the later one counts.
    pub fn pause(&self) -> Result<()> {
        let paused = self.begin_to_pause().and_then(|freezing| freezing.map_or(Ok(()), Freezing::wait));
        self.settle_pause(paused)
    }

    /// Tells everything to stop; what the freezer does of that is to be waited for. Then [`settle_pause`] follows.
    ///
    /// [`settle_pause`]: Self::settle_pause
    pub(super) fn begin_to_pause(&self) -> Result<Option<Freezing>> {
        self.running.paused.store(true, Relaxed);
        let freezing = self.freeze(true)?;
        if freezing.is_none() {
            self.tell("pause", Command::Stop)?;
        }
        Ok(freezing)
    }

    /// Where not all could be stopped, all go on.
    pub(super) fn settle_pause(&self, paused: Result<()>) -> Result<()> {
        if paused.is_err() {
            let _ = self.freeze(false);
        }
        self.running.paused.store(paused.is_ok(), Relaxed);
        paused
    }

    /// Lets everything in the container go on. Where it was not frozen, processes that had stopped by themselves
    /// go on too.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn resume(&self) -> Result<()> {
        self.begin_to_resume()?.map_or(Ok(()), Freezing::wait)?;
        self.settle_resume();
        Ok(())
    }

    pub(super) fn begin_to_resume(&self) -> Result<Option<Freezing>> {
        let freezing = self.freeze(false)?;
        if freezing.is_none() {
            self.tell("resume", Command::Continue)?;
        }
        Ok(freezing)
    }

    pub(super) fn settle_resume(&self) {
        self.running.paused.store(false, Relaxed);
    }

    /// Changes the limit of wall time, counted from the start as before. If it has passed, the container ends.
    ///
    /// # Errors
    /// For a limit of zero, or if init is gone.
    pub fn set_wall_time_limit(&mut self, time: Duration) -> Result<()> {
        plan::validate_time("wall time", time)?;
        let nanoseconds = self.with_extra_time(time);
        self.tell("limits", Command::WallLimit(nanoseconds))?;
        self.running.terms.wall_time = Some(time);
        self.running.terms.enforces(Limit::WallTime, "init");
        Ok(())
    }

    /// Changes the limit of CPU time. The container must have a cgroup that counts: because something is limited
    /// by one, or [`accounting`](crate::Container::accounting) was asked for.
    ///
    /// # Errors
    /// For a limit of zero, without a cgroup, or if init is gone.
    pub fn set_cpu_time_limit(&mut self, time: Duration) -> Result<()> {
        plan::validate_time("CPU time", time)?;
        let mechanism = cpu_time_mechanism(self.groups()?.cpu_meter()?);
        let nanoseconds = self.with_extra_time(time);
        self.tell("limits", Command::CpuLimit(nanoseconds))?;
        self.running.terms.cpu_time = Some(time);
        self.running.terms.enforces(Limit::CpuTime, mechanism);
        Ok(())
    }

    /// Changes the memory limit, in bytes; one below what is in use makes the kernel take back what it can, and
    /// is an error or the end of a process where that is not enough. Memory must have been limited from the
    /// start.
    ///
    /// # Errors
    /// For a limit of zero, if there was none, or if the kernel refuses it.
    pub fn set_memory_limit(&mut self, bytes: u64) -> Result<()> {
        plan::validate_count("memory", bytes)?;
        self.groups()?.set_memory(bytes, self.running.terms.swap)
    }

    /// Changes the limit of processes and threads. More of them than the new limit stay, but no new one comes.
    /// They must have been limited from the start, by a cgroup.
    ///
    /// # Errors
    /// As [`set_memory_limit`](Self::set_memory_limit).
    pub fn set_pids_limit(&mut self, count: u64) -> Result<()> {
        plan::validate_count("pids", count)?;
        self.groups()?.set_pids(count)
    }

    /// Changes the limit of CPUs. CPUs or the weight must have been limited from the start.
    ///
    /// # Errors
    /// As [`set_memory_limit`](Self::set_memory_limit).
    pub fn set_cpus(&mut self, cpus: f64) -> Result<()> {
        plan::validate_cpus(cpus)?;
        self.groups()?.set_cpus(cpus)
    }

    /// Changes the share of CPU time. CPUs or the weight must have been limited from the start.
    ///
    /// # Errors
    /// As [`set_memory_limit`](Self::set_memory_limit).
    pub fn set_cpu_weight(&mut self, weight: u64) -> Result<()> {
        plan::validate_weight("CPU", weight)?;
        self.groups()?.set_cpu_weight(weight)
    }

    /// Those of a container that runs.
    fn groups(&self) -> Result<&Groups> {
        self.running.groups().ok_or_else(|| {
            let what = "the container has ended, and its groups with it";
            let error = Error::new(ErrorKind::LimitUnavailable, "cgroup", what);
            error.with_remedy("start another one with this limit")
        })
    }

    fn freeze(&self, frozen: bool) -> Result<Option<Freezing>> {
        self.running.groups().map_or(Ok(None), |groups| groups.freeze(frozen))
    }

    fn with_extra_time(&self, time: Duration) -> u64 {
        end_of(time, self.running.terms.extra_time)
    }

    /// After the end there is nobody to tell, and nothing to do.
    fn tell(&self, what: &'static str, command: Command) -> Result<()> {
        match self.running.send(command) {
            Err(error) if is_gone(&error) && self.report.is_some() => Ok(()),
            sent => sent.map_err(|error: io::Error| Error::io(what, "cannot tell init", &error)),
        }
    }
}

/// `utime`, `stime`, `cutime` and `cstime` of proc_pid_stat(5), in ticks.
fn cpu_time_by_proc(pid: u32) -> Option<Figure<Duration>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(14 - 3).take(4);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten()?;
    Some(Figure::new(Duration::from_millis(ticks * 1000 / per_second.max(1) as u64), "/proc/PID/stat"))
}
