//! Landlock: the rules for paths, which only the workload's process can find.

use core::ffi::CStr;

use super::abi;
use super::state::Outcome;
use super::sys::{self, Errno, Fd};

/// Gives rights to a file, or to a directory with all below it. It is found from the root on, links followed, but
/// not those of /proc that lead anywhere. The kernel refuses rights of directories for what is none.
pub fn add_rule(ruleset: Fd, path: &CStr, access: u64) -> Outcome {
    let root = sys::openat(sys::CWD, c"/", abi::O_PATH | abi::O_DIRECTORY, 0)?;
    let file = sys::open_in_root(root, path, abi::O_PATH)?;
    let is_directory = sys::fstat(file)?.mode & abi::S_IFMT == abi::S_IFDIR;
    let access = if is_directory { access } else { access & abi::LANDLOCK_ACCESS_FILE };
    if access == 0 {
        return Err(Errno(abi::ENOTDIR).into());
    }
    sys::landlock_add_path(ruleset, file, access)?;
    sys::close(file);
    sys::close(root);
    Ok(())
}
