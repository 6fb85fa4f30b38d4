//! The network namespace of a slot, and whether anything in it has been used.

use core::ffi::CStr;

use super::sys::{self, Errno, Fd, Result};
use super::{abi, copy, system};

/// The namespace, as it was when nothing had used it.
pub struct Network {
    proc: Fd,
    views: [View; 2],
}

/// What is looked at: the counters of the interface, and how many sockets there are.
const VIEWS: [(&CStr, Part); 2] = [(c"self/net/dev", Part::Whole), (c"self/net/sockstat", Part::FirstLine)];

/// Of some files only a part is about this namespace.
#[derive(Clone, Copy)]
enum Part {
    Whole,
    FirstLine,
}

/// Room for the text of a file; of a longer one the start counts.
const ROOM: usize = 8 << 10;

/// The text of a file of /proc/net, as it was.
struct View {
    file: Option<Fd>,
    part: Part,
    text: &'static mut [u8],
    length: usize,
}

impl Network {
    pub fn watch(proc: Fd) -> Result<Self> {
        let view = |part| Ok(View { file: None, part, text: sys::allocate(ROOM)?, length: 0 });
        let [(_, dev), (_, sockstat)] = VIEWS;
        let mut network = Network { proc, views: [view(dev)?, view(sockstat)?] };
        network.look()?;
        Ok(network)
    }

    /// Opens the files, which belong to the namespace that init is in now, and notes what they say.
    fn look(&mut self) -> Result<()> {
        for (view, (path, _)) in self.views.iter_mut().zip(VIEWS) {
            sys::close_if_any(view.file.take());
            view.file = match sys::openat(self.proc, path, abi::O_RDONLY, 0) {
                // A kernel without that protocol.
                Err(Errno(abi::ENOENT)) => None,
                file => Some(file?),
            };
            view.length = view.read(copy);
        }
        Ok(())
    }

    /// Enters a new namespace if this one has been used. No file tells all that a socket of the network can leave:
    /// uses of routes, and timers by which something is sent later. Where none was asked for, there may still be one
    /// that came from elsewhere, or one that is on its way to nobody: the files tell.
    pub fn renew_if_used(&mut self, sockets: bool) -> Result<()> {
        if !sockets && !self.views.iter_mut().any(View::has_changed) {
            return Ok(());
        }
        sys::unshare(abi::CLONE_NEWNET)?;
        system::loopback_up()?;
        self.look()
    }
}

impl View {
    /// Shows the text as it is now to `look`, with that of before, and returns its length.
    fn read(&mut self, look: impl FnOnce(&mut [u8], &[u8])) -> usize {
        let mut buffer = [0; ROOM];
        let length = self.file.map_or(0, |file| sys::read_from_start(file, &mut buffer).unwrap_or_default());
        let text = buffer.get(..length).unwrap_or_default();
        let line = text.iter().position(|byte| *byte == b'\n').unwrap_or(length);
        let text = match self.part {
            Part::Whole => text,
            Part::FirstLine => text.get(..line).unwrap_or_default(),
        };
        look(self.text, text);
        text.len()
    }

    fn has_changed(&mut self) -> bool {
        let known = self.length;
        let mut same = false;
        let length = self.read(|before, now| same = before.get(..known) == Some(now));
        !same || length != known
    }
}
