//! What the launcher knows while it walks the plan.

use super::abi;
use super::sys::{self, Errno, Fd, Pass, Result};
use crate::wire::{CONTROL_FD, HOST_FD, Header, MAX_FDS, NO_FD, item};

/// Why a step failed: the kernel's reason, and which part of the step.
#[derive(Clone, Copy)]
pub struct Failure {
    pub errno: Errno,
    pub item: u32,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure { errno, item: item::WHOLE }
    }
}

pub type Outcome<T = ()> = core::result::Result<T, Failure>;

/// Says which part of a step an error belongs to.
pub trait In<T> {
    fn item(self, item: u32) -> Outcome<T>;
}

impl<T> In<T> for Result<T> {
    fn item(self, item: u32) -> Outcome<T> {
        self.map_err(|errno| Failure { errno, item })
    }
}

/// The plan as received.
#[derive(Clone)]
pub struct Plan {
    pub header: Header,
    pub body: &'static [u8],
    pub fds: Descriptors,
}

/// The descriptors sent with the plan, by index.
#[derive(Clone)]
pub struct Descriptors {
    numbers: [i32; MAX_FDS],
    count: usize,
}

impl Descriptors {
    pub fn new() -> Self {
        Descriptors { numbers: [-1; MAX_FDS], count: 0 }
    }

    pub fn push(&mut self, fd: Fd) {
        if let Some(slot) = self.numbers.get_mut(self.count) {
            *slot = fd.0;
            self.count += 1;
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn iter(&self) -> impl Iterator<Item = Fd> + '_ {
        self.numbers.iter().take(self.count).copied().filter(|number| *number >= 0).map(Fd)
    }

    /// Puts another descriptor at an index, in place of one that is closed.
    pub fn replace(&mut self, index: u32, fd: Fd) {
        if let Some(slot) = self.numbers.get_mut(index as usize) {
            sys::close(Fd(core::mem::replace(slot, fd.0)));
        }
    }

    pub fn get(&self, index: u32) -> Result<Fd> {
        match self.numbers.get(index as usize) {
            Some(&number) if number >= 0 => Ok(Fd(number)),
            _ => Err(Errno(abi::EINVAL)),
        }
    }

    /// As [`get`](Self::get), where the step may have none.
    pub fn find(&self, index: u32) -> Result<Option<Fd>> {
        if index == NO_FD { Ok(None) } else { self.get(index).map(Some) }
    }

    /// As [`find`](Self::find), for a step that uses the descriptor up: closed, its number can be another's.
    pub fn take(&mut self, index: u32) -> Result<Option<Fd>> {
        let taken = self.find(index)?;
        if let (Some(_), Some(slot)) = (taken, self.numbers.get_mut(index as usize)) {
            *slot = -1;
        }
        Ok(taken)
    }

    /// Moves all to numbers from `lowest` on.
    pub fn lift(&mut self, lowest: u32, pass: Pass) -> Result<()> {
        for number in self.numbers.iter_mut().take(self.count).filter(|number| **number >= 0) {
            let lifted = sys::duplicate_with(Fd(*number), lowest, pass)?;
            sys::close_with(Fd(*number), pass);
            *number = lifted.0;
        }
        Ok(())
    }
}

/// The places that mount steps work on.
#[derive(Clone, Copy, Default)]
pub struct Places {
    /// The root file system being built.
    pub root: Option<Fd>,
    /// The tmpfs on which overlays and files are put together.
    pub stage: Option<Fd>,
    /// The container's own /proc.
    pub proc: Option<Fd>,
    /// The tmpfs mounts that are new, and so nobody else's.
    pub own: OwnMounts,
    /// The host's /proc.
    pub host_proc: Option<Fd>,
    /// The socket by which the workload's process hands the listener of its filter to init.
    pub messenger: Option<Fd>,
    /// The socket on which the runs of a slot come.
    pub runs: Option<Fd>,
}

/// The numbers of some mounts; more than there is room for are taken for not our own.
#[derive(Clone, Copy, Default)]
pub struct OwnMounts {
    ids: [u64; 16],
    count: usize,
}

impl OwnMounts {
    pub fn push(&mut self, id: u64) {
        if let Some(slot) = self.ids.get_mut(self.count) {
            *slot = id;
            self.count += 1;
        }
    }

    pub fn contains(&self, id: u64) -> bool {
        self.ids.iter().take(self.count).any(|own| *own == id)
    }
}

impl Places {
    /// Moves what steps after this one still need to numbers from `lowest` on.
    pub fn lift(&mut self, lowest: u32, pass: Pass) -> Result<()> {
        for place in [&mut self.host_proc, &mut self.messenger] {
            if let Some(fd) = place {
                *place = Some(sys::duplicate_with(*fd, lowest, pass)?);
            }
        }
        Ok(())
    }

    pub fn root(&self) -> Result<Fd> {
        self.root.ok_or(Errno(abi::EINVAL))
    }

    pub fn stage(&self) -> Result<Fd> {
        self.stage.ok_or(Errno(abi::EINVAL))
    }

    pub fn proc(&self) -> Result<Fd> {
        self.proc.ok_or(Errno(abi::EINVAL))
    }

    pub fn host_proc(&self) -> Result<Fd> {
        self.host_proc.ok_or(Errno(abi::EINVAL))
    }

    pub fn runs(&self) -> Result<Fd> {
        self.runs.ok_or(Errno(abi::EINVAL))
    }

    pub fn messenger(&self) -> Result<Fd> {
        self.messenger.ok_or(Errno(abi::EINVAL))
    }
}

/// Sheds what the launcher inherited of the host: descriptors, session, signal actions, mask.
pub fn become_a_clean_process() -> Result<()> {
    // All signals stay blocked in init: as PID 1 none may hurt it, and SIGCHLD is read as an event.
    sys::set_signal_mask(u64::MAX)?;
    // A host that ignores SIGCHLD would have init's children vanish unreaped.
    sys::default_signal(abi::SIGCHLD)?;
    sys::close_at_exec(Fd(CONTROL_FD))?;
    // The host's standard streams go; the numbers stay taken, so that nothing opened later lands on them.
    for number in 0..CONTROL_FD {
        sys::keep_as(Fd(CONTROL_FD), number)?;
    }
    sys::close_at_exec(Fd(HOST_FD))?;
    sys::close_range(HOST_FD as u32 + 1, u32::MAX)?;
    sys::umask(0);
    sys::set_name(c"cofferdam-init");
    // Fails only for a process group leader, which a fresh child is not; a terminal's signals to the
    // host's group must not reach init.
    sys::setsid()
}
