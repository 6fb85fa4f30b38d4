//! Talking to the host over the control socket.

use super::abi::{self, CmsgHdr};
use super::state::{Descriptors, Failure, Plan};
use super::sys::{self, Control, Errno, Fd, Result};
use super::workload::Shared;
use crate::wire::{CONTROL_FD, Header, Record};

const CONTROL: Fd = Fd(CONTROL_FD);
const CMSG_HEADER: usize = size_of::<CmsgHdr>();

/// Receives header, descriptors and steps.
pub fn receive_plan() -> Result<Plan> {
    let mut bytes = [0; Header::SIZE];
    let mut control = Control { bytes: [0; 1040] };
    let length = sys::receive(CONTROL, &mut bytes, &mut control)?;
    let header = Header::decode(&bytes);
    let fds = read_descriptors(control.bytes.get(..length).unwrap_or_default());
    if fds.len() as u64 != header.fds {
        return Err(Errno(abi::EINVAL));
    }
    let body = sys::allocate(header.body as usize)?;
    receive_all(body)?;
    Ok(Plan { header, body, fds })
}

fn receive_all(mut rest: &mut [u8]) -> Result<()> {
    while !rest.is_empty() {
        let count = match sys::read(CONTROL, rest) {
            Ok(0) => return Err(Errno(abi::EINVAL)),
            Ok(count) => count,
            Err(Errno(abi::EINTR)) => 0,
            Err(error) => return Err(error),
        };
        rest = rest.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

/// The descriptors of the one SCM_RIGHTS message, whose length is in its header: what follows is padding.
fn read_descriptors(control: &[u8]) -> Descriptors {
    let mut fds = Descriptors::new();
    let Some((length, _)) = control.split_first_chunk() else { return fds };
    let message = control.get(CMSG_HEADER..usize::from_ne_bytes(*length)).unwrap_or_default();
    for number in message.chunks_exact(4) {
        fds.push(Fd(i32::from_ne_bytes(number.try_into().unwrap_or_default())));
    }
    fds
}

/// Sends a record. A host that is gone is noticed by the main loop, not here.
pub fn send(record: &Record) {
    let mut control = Control { bytes: [0; 1040] };
    let _ = sys::send(CONTROL, &record.encode(), &mut control, 0);
}

/// Sends a record and a descriptor with it.
pub fn send_with_fd(record: &Record, fd: Fd) {
    let mut control = Control { bytes: [0; 1040] };
    let length = (CMSG_HEADER + 4).to_ne_bytes();
    let level = abi::SOL_SOCKET.to_ne_bytes();
    let kind = abi::SCM_RIGHTS.to_ne_bytes();
    let content = length.iter().chain(&level).chain(&kind);
    for (to, from) in control.bytes.iter_mut().zip(content.chain(&fd.0.to_ne_bytes())) {
        *to = *from;
    }
    let padded = CMSG_HEADER + 8;
    let _ = sys::send(CONTROL, &record.encode(), &mut control, padded);
}

/// Reads one byte; `None` at end of file.
pub fn read_command() -> Result<Option<u8>> {
    let mut byte = [0];
    match sys::read(CONTROL, &mut byte)? {
        0 => Ok(None),
        _ => Ok(Some(byte[0])),
    }
}

/// Where the failure of a step is told, before the process ends.
#[derive(Clone, Copy)]
pub enum Reporter {
    /// To the host.
    Control,
    /// To init, through memory shared with it.
    Init(Shared),
}

impl Reporter {
    /// Notes which step is about to run.
    pub fn step(self, index: u32) {
        if let Reporter::Init(shared) = self {
            shared.enter_step(index);
        }
    }

    /// Reports and ends the process.
    pub fn failed(self, step: u32, failure: Failure) -> ! {
        match self {
            Reporter::Control => send(&setup_failed(step, failure)),
            Reporter::Init(shared) => shared.fail(step, failure),
        }
        sys::exit(1)
    }
}

pub fn setup_failed(step: u32, failure: Failure) -> Record {
    Record::SetupFailed { step, errno: failure.errno.0, item: failure.item }
}
