//! User, groups and capabilities, of init and of the workload.

use super::abi;
use super::state::{In, Outcome};
use super::sys::{self, Errno, Result};
use crate::wire::item;

/// Init takes ids that are mapped in the user namespace, or it could create no file, and keeps its
/// capabilities.
pub fn for_init(uid: u32, gid: u32, groups: bool) -> Outcome {
    if groups {
        sys::setgroups(&[]).item(item::GROUPS)?;
    }
    keep_capabilities_through(uid, gid)?;
    // A change of ids makes the process non-dumpable, and its own /proc files root's.
    Ok(sys::prctl(abi::PR_SET_DUMPABLE, 1)?)
}

/// The workload's ids. The groups are set before, the capabilities after.
pub fn for_workload(uid: u32, gid: u32) -> Outcome {
    keep_capabilities_through(uid, gid)?;
    // The change of ids has set the flag to fs.suid_dumpable, on memory that is init's too.
    Ok(sys::prctl(abi::PR_SET_DUMPABLE, 0)?)
}

/// `PR_SET_KEEPCAPS` saves the permitted set from the change to an ordinary user, not the effective one.
fn keep_capabilities_through(uid: u32, gid: u32) -> Result<()> {
    sys::prctl(abi::PR_SET_KEEPCAPS, 1)?;
    sys::setresgid(gid)?;
    sys::setresuid(uid)?;
    sys::raise_effective()
}

/// Drops every capability but those to keep from the bounding set.
pub fn drop_bounding_set(keep: u64) -> Result<()> {
    for_each_capability(!keep, |capability| sys::prctl(abi::PR_CAPBSET_DROP, capability as usize))
}

pub fn set_capabilities(effective: u64, permitted: u64, inheritable: u64, ambient: u64) -> Result<()> {
    sys::ambient(abi::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    sys::capset(effective, permitted, inheritable)?;
    for_each_capability(ambient, |capability| sys::ambient(abi::PR_CAP_AMBIENT_RAISE, capability))
}

/// Calls `act` for each capability of a set, up to the last that the kernel knows (EINVAL beyond it).
fn for_each_capability(set: u64, act: impl Fn(u32) -> Result<()>) -> Result<()> {
    for capability in (0..abi::CAP_BITS).filter(|bit| set >> bit & 1 == 1) {
        match act(capability) {
            Err(Errno(abi::EINVAL)) => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}

/// The keys that the host program's session has are not for the workload. Where the kernel has no keys (ENOSYS),
/// or a filter on the host program forbids the call (EPERM), the workload cannot reach any either.
pub fn leave_session_keyring() -> Result<()> {
    match sys::join_new_session_keyring() {
        Err(Errno(abi::ENOSYS | abi::EPERM)) => Ok(()),
        result => result,
    }
}
