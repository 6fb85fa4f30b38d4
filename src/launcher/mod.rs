//! What runs in the child, from its first instruction to the workload's `execve`, and init after that.
//!
//! The contract: no allocation, no locks, no panics, no code of the host. Everything needed arrives in
//! the plan; each module carries out some of its steps.
//!
//! ```text
//! run ── receive the plan ── steps up to start-workload ── fork ── init: reap, enforce, report
//!                                                           └───── steps after it ── execve
//! ```
#![allow(missing_docs)] // Private to the crate; the names are the kernel's.
#![cfg_attr(test, allow(dead_code))] // Tests compile the modules, they do not run all of them.

pub mod abi;
mod account;
mod channel;
mod identity;
mod init;
mod jobs;
mod landlock;
mod listener;
mod messages;
mod meter;
mod mounts;
mod network;
mod paths;
mod processes;
mod run;
mod settings;
mod shared;
mod slot;
mod state;
mod steps;
mod sys;
mod system;
mod workload;

#[cfg(test)]
mod tests;

use crate::wire::item;
use channel::Reporter;
use sys::Pass;

/// Copies as much as both have; that of slices would panic where the lengths differ.
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// The whole life of the launcher.
#[cfg_attr(test, allow(dead_code))]
pub fn run() -> ! {
    let reporter = Reporter::Control;
    if let Err(errno) = state::become_a_clean_process() {
        reporter.failed(u32::MAX, errno.into(), Pass::default());
    }
    let plan = match channel::receive_plan() {
        Ok(plan) => plan,
        Err(errno) => {
            let failure = state::Failure { errno, item: item::PLAN };
            reporter.failed(u32::MAX, failure, Pass::default())
        }
    };
    steps::walk(plan)
}
