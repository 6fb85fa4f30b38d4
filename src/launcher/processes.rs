//! Ending every process of the container.

use core::ffi::CStr;

use super::abi;
use super::sys::{self, Fd, Reaped};

/// How the container's processes are found: all but init itself.
pub enum Processes {
    /// Init is PID 1 of a PID namespace: a signal to -1 reaches every process of it and none other.
    Namespace,
    /// Init is an ordinary process, which gets all orphans of its descendants. A signal to -1 would reach
    /// the whole machine: there the children are killed, and theirs when they have become init's.
    Children {
        /// The host's /proc, where they are listed.
        proc: Option<Fd>,
        /// `cgroup.kill` of a group that holds them all.
        killer: Option<Fd>,
    },
}

impl Processes {
    pub fn new(proc: Option<Fd>, killer: Option<Fd>) -> Self {
        if sys::getpid() == 1 { Processes::Namespace } else { Processes::Children { proc, killer } }
    }

    /// Sends a signal to all that can be found now.
    pub fn signal_all(&self, signal: i32) {
        match self {
            Processes::Namespace => {
                let _ = sys::kill(-1, signal);
            }
            Processes::Children { proc, killer } => {
                if let (Some(killer), abi::SIGKILL) = (killer, signal) {
                    let _ = sys::write(*killer, b"1");
                }
                if let Some(proc) = proc {
                    signal_children(*proc, signal);
                }
            }
        }
    }

    /// Kills and reaps until nothing is left. To find everybody to kill the kernel looks at every process of the
    /// machine; where no child is left there is nobody.
    pub fn end_all(&self, mut settle: impl FnMut(&Reaped)) {
        loop {
            let reaped = match sys::reap(false) {
                Ok(None) => {
                    self.signal_all(abi::SIGKILL);
                    sys::reap(true)
                }
                reaped => reaped,
            };
            match reaped {
                Ok(Some(reaped)) => settle(&reaped),
                Ok(None) => {}
                Err(_) => break,
            }
        }
    }
}

/// Signals all children. None can have been reaped meanwhile, so no number can mean another process.
fn signal_children(proc: Fd, signal: i32) {
    let Ok(list) = sys::openat(proc, c"thread-self/children", abi::O_RDONLY, 0) else { return };
    let mut buffer = [0u8; 4096];
    let mut number = Number::default();
    while let Ok(count @ 1..) = sys::read(list, &mut buffer) {
        for &byte in buffer.iter().take(count) {
            if byte.is_ascii_digit() {
                number.push(byte);
            } else {
                signal_child(proc, number, signal);
                number = Number::default();
            }
        }
    }
    sys::close(list);
}

/// The digits of a process id, as the name of a directory in /proc.
#[derive(Clone, Copy, Default)]
struct Number {
    digits: [u8; 11],
    length: usize,
}

impl Number {
    fn push(&mut self, digit: u8) {
        if let Some(slot) = self.digits.get_mut(self.length) {
            *slot = digit;
            self.length += 1;
        }
    }
}

/// The numbers are those of the PID namespace that this /proc shows, which need not be init's own. A
/// directory of /proc serves as a pidfd for signals, whatever the numbers.
fn signal_child(proc: Fd, number: Number, signal: i32) {
    let Ok(name) = CStr::from_bytes_until_nul(&number.digits) else { return };
    if name.is_empty() {
        return;
    }
    if let Ok(process) = sys::openat(proc, name, abi::O_RDONLY | abi::O_DIRECTORY, 0) {
        let _ = sys::kill_by_fd(process, signal);
        sys::close(process);
    }
}
