//! Talking to the host over the control socket.

use super::abi;
use super::shared::Shared;
use super::state::{Descriptors, Failure, Plan};
use super::sys::{self, Control, Errno, Fd, Pass, Result, Spawned};
use crate::wire::{CONTROL_FD, Command, HOST_FD, Header, Record};

const CONTROL: Fd = Fd(CONTROL_FD);

/// Receives header, descriptors and steps.
pub fn receive_plan() -> Result<Plan> {
    let (header, fds, body) = receive_steps(Fd(HOST_FD))?;
    Ok(Plan { header, body, fds })
}

/// Receives header and descriptors.
pub fn receive_head(socket: Fd, pass: Pass) -> Result<(Header, Descriptors)> {
    let mut bytes = [0; Header::SIZE];
    let mut control = Control::new();
    let length = sys::receive_with(socket, &mut bytes, &mut control, pass)?;
    let header = Header::decode(&bytes);
    let fds = read_descriptors(control.bytes.get(..length).unwrap_or_default());
    if fds.len() as u64 != header.fds {
        return Err(Errno(abi::EINVAL));
    }
    Ok((header, fds))
}

/// Receives header and descriptors on the control socket, and the steps into memory that the caller releases.
/// `host` is the pidfd of the host.
pub fn receive_steps(host: Fd) -> Result<(Header, Descriptors, &'static mut [u8])> {
    wait_for_host(host);
    let (header, fds) = receive_head(CONTROL, Pass::default())?;
    let body = sys::allocate(header.body as usize)?;
    receive_all(body, host)?;
    Ok((header, fds, body))
}

/// Receives the steps of a run, from under a filter that knows the pass.
pub fn receive_run(socket: Fd, body: &mut [u8], pass: Pass) -> Result<()> {
    if body.is_empty() {
        return Ok(());
    }
    sys::receive_with(socket, body, &mut Control::new(), pass).map(drop)
}

fn receive_all(mut rest: &mut [u8], host: Fd) -> Result<()> {
    while !rest.is_empty() {
        wait_for_host(host);
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

/// Waits until the host has something to say. If it has ended, so does this process: the end of file on
/// the socket fails to come while a fork of the host holds a copy of its end.
fn wait_for_host(host: Fd) {
    let watched = |fd| abi::PollFd { fd, events: abi::POLLIN, revents: 0 };
    let mut fds = [watched(CONTROL_FD), watched(host.0)];
    loop {
        let polled = sys::poll(&mut fds, None);
        let [control, host] = &fds;
        if control.revents != 0 {
            return;
        }
        if host.revents != 0 || polled.is_err() {
            sys::exit(1);
        }
    }
}

/// The descriptors of the one SCM_RIGHTS message, whose length is in its header: what follows is padding.
fn read_descriptors(control: &[u8]) -> Descriptors {
    let mut fds = Descriptors::new();
    let Some((length, _)) = control.split_first_chunk() else { return fds };
    let message = control.get(sys::CMSG_HEADER..usize::from_ne_bytes(*length)).unwrap_or_default();
    for number in message.chunks_exact(4) {
        fds.push(Fd(i32::from_ne_bytes(number.try_into().unwrap_or_default())));
    }
    fds
}

/// Sends a record. A host that is gone is noticed by the main loop, not here.
pub fn send(record: &Record) {
    send_to(CONTROL, record);
}

/// Sends a record on a socket.
pub fn send_to(socket: Fd, record: &Record) {
    let _ = sys::send(socket, &record.encode(), &mut Control::new(), 0);
}

/// Sends a record with a descriptor.
pub fn send_with(record: &Record, fd: Fd) -> Result<()> {
    let mut control = Control::new();
    let rights = control.write(0, abi::SCM_RIGHTS, [fd.0]);
    sys::send(CONTROL, &record.encode(), &mut control, rights).map(drop)
}

/// Tells of a process, with its pidfd, and with its process id, which the kernel translates to the
/// host's PID namespace. To vouch for another process needs CAP_SYS_ADMIN where the PID namespace belongs;
/// where init lacks that, the host finds the number by itself. A listener that the host is to have goes along.
pub fn introduce(socket: Fd, record: impl Fn(bool) -> Record, process: &Spawned, listener: Option<Fd>) {
    let mut control = Control::new();
    let rights = match listener {
        Some(listener) => control.write(0, abi::SCM_RIGHTS, [process.pidfd.0, listener.0]),
        None => control.write(0, abi::SCM_RIGHTS, [process.pidfd.0]),
    };
    let (uid, gid) = sys::user_and_group();
    let credentials = control.write(rights, abi::SCM_CREDENTIALS, [process.pid, uid as i32, gid as i32]);
    if sys::send(socket, &record(true).encode(), &mut control, rights + credentials).is_err() {
        let _ = sys::send(socket, &record(false).encode(), &mut control, rights);
    }
}

/// Hands a descriptor over, if there is one, from under a filter that knows the pass.
pub fn hand_over(socket: Fd, fd: Option<Fd>, pass: Pass) -> Result<()> {
    let mut control = Control::new();
    let length = fd.map_or(0, |fd| control.write(0, abi::SCM_RIGHTS, [fd.0]));
    sys::send_with(socket, &[0], &mut control, length, pass).map(drop)
}

/// Takes what was handed over. It must be there already: who waited here would not see the host end.
pub fn take_over(socket: Fd) -> Result<Option<Fd>> {
    if !sys::has_input(socket) {
        return Err(Errno(abi::EINVAL));
    }
    let mut control = Control::new();
    let length = sys::receive(socket, &mut [0], &mut control)?;
    Ok(read_descriptors(control.bytes.get(..length).unwrap_or_default()).get(0).ok())
}

/// The host's next command; `None` at end of file.
pub fn await_command() -> Result<Option<Command>> {
    wait_for_host(Fd(HOST_FD));
    read_command()
}

/// Reads a command; `None` at end of file, and for bytes that are none. The host sends each at once.
pub fn read_command() -> Result<Option<Command>> {
    read_command_from(CONTROL)
}

/// As [`read_command`], from another socket.
pub fn read_command_from(socket: Fd) -> Result<Option<Command>> {
    let mut bytes = [0; Command::SIZE];
    match sys::read(socket, &mut bytes)? {
        Command::SIZE => Ok(Command::decode(&bytes)),
        _ => Ok(None),
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
    pub fn failed(self, step: u32, failure: Failure, pass: Pass) -> ! {
        match self {
            Reporter::Control => send(&setup_failed(step, failure)),
            Reporter::Init(shared) => shared.fail(step, failure),
        }
        sys::exit_with(1, pass)
    }
}

pub fn setup_failed(step: u32, failure: Failure) -> Record {
    Record::SetupFailed { step, errno: failure.errno.0, item: failure.item }
}
