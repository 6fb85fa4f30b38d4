//! Filters as the kernel is given them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam::{Container, Seccomp};

/// The instructions of a policy, `struct sock_filter` after `struct sock_filter`.
pub fn of(policy: Seccomp) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(Container::new().seccomp(policy).seccomp_program()?.ok_or("the policy has no filter")?)
}

/// Allows everything: the shortest program there is, `BPF_RET | BPF_K` with `SECCOMP_RET_ALLOW`.
pub fn shortest() -> Vec<u8> {
    [0x06u16.to_ne_bytes(), [0; 2]]
        .concat()
        .into_iter()
        .chain(libc::SECCOMP_RET_ALLOW.to_ne_bytes())
        .collect()
}

/// Writes them to a file of this name.
pub fn write(directory: &Path, name: &str, program: &[u8]) -> Result<PathBuf, Box<dyn Error>> {
    let file = directory.join(name);
    fs::write(&file, program)?;
    Ok(file)
}
