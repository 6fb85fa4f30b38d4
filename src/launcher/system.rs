//! Steps that set a value of the kernel: network, clocks, out-of-memory score.

use core::ffi::CStr;

use super::abi;
use super::state::{Outcome, Places};
use super::sys::{self, CWD, Fd, Result};

/// A new network namespace has one interface, and it is down.
pub fn loopback_up() -> Result<()> {
    let socket = sys::inet_socket()?;
    let mut request = abi::IfReq { name: [0; 16], flags: abi::IFF_UP | abi::IFF_RUNNING, rest: [0; 22] };
    let [first, second, ..] = &mut request.name;
    (*first, *second) = (b'l', b'o');
    let result = sys::set_interface_flags(socket, &request);
    sys::close(socket);
    result
}

/// After the change of root the host's /proc is out of sight, and the container need not have one.
pub fn open_host_proc(places: &mut Places) -> Outcome {
    places.host_proc = Some(sys::openat(CWD, c"/proc", abi::O_PATH | abi::O_DIRECTORY, 0)?);
    Ok(())
}

/// The offsets can be written until the first process enters the time namespace.
pub fn time_offsets(places: &Places, lines: &CStr) -> Outcome {
    Ok(write_to(places.host_proc()?, c"self/timens_offsets", lines)?)
}

pub fn oom_score_adj(places: &Places, value: &CStr) -> Outcome {
    // The file is root's while the process is not dumpable, and init must not be when the workload runs.
    sys::prctl(abi::PR_SET_DUMPABLE, 1)?;
    let result = write_to(places.host_proc()?, c"self/oom_score_adj", value);
    sys::prctl(abi::PR_SET_DUMPABLE, 0)?;
    Ok(result?)
}

/// The /proc of this PID namespace, without anything mounted on it, and nowhere to be seen.
pub fn own_proc() -> Result<Fd> {
    let context = sys::fsopen(c"proc")?;
    let created = sys::fsconfig_create(context);
    let tree = created.and_then(|()| sys::fsmount(context, 0));
    sys::close(context);
    tree
}

/// Has process ids begin anew: the next one is 2 (proc_sys_kernel(5), `ns_last_pid`).
pub fn open_last_pid(proc: Fd) -> Result<Fd> {
    sys::openat(proc, c"sys/kernel/ns_last_pid", abi::O_WRONLY, 0)
}

fn write_to(dir: Fd, path: &CStr, value: &CStr) -> Result<()> {
    let file = sys::openat(dir, path, abi::O_WRONLY, 0)?;
    let result = sys::write(file, value.to_bytes()).map(drop);
    sys::close(file);
    result
}
