//! Filters as the kernel is given them. The library shows no one the instructions, so the benches that need them
//! compile them with its own source: see the modules `error` and `seccomp` of such a bench.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::seccomp::{Architecture, Circumstances, Seccomp, SeccompConfig};

/// The instructions of a policy, `struct sock_filter` after `struct sock_filter`.
pub fn of(policy: Seccomp) -> Result<Vec<u8>, Box<dyn Error>> {
    // Some secret or other: how long the program is does not depend on it.
    let pass = [1 << 40 | 1, 1 << 41 | 2, 1 << 42 | 3];
    let circumstances = Circumstances { architecture: Architecture::NATIVE, pass };
    let config = SeccompConfig::new(policy);
    Ok(config.filter(&circumstances)?.ok_or("the policy has no filter")?.program.clone())
}

/// Allows everything: the shortest program there is, `BPF_RET | BPF_K` with `SECCOMP_RET_ALLOW`.
pub fn shortest() -> Vec<u8> {
    [0x06u16.to_ne_bytes(), [0; 2]]
        .concat()
        .into_iter()
        .chain(libc::SECCOMP_RET_ALLOW.to_ne_bytes())
        .collect()
}

/// How many instructions there are.
pub fn length(program: &[u8]) -> usize {
    program.len() / size_of::<libc::sock_filter>()
}

/// Writes them to a file of this name.
pub fn write(directory: &Path, name: &str, program: &[u8]) -> Result<PathBuf, Box<dyn Error>> {
    let file = directory.join(name);
    fs::write(&file, program)?;
    Ok(file)
}
