//! The parent's side: gathers facts, starts init, holds the handle. Runs in the host program's threads,
//! and changes nothing of the host program's own world.

mod berth;
mod cgroup;
mod channel;
mod child;
mod control;
mod diagnose;
mod exec;
mod facts;
mod group;
mod id_maps;
#[cfg(feature = "landlock")]
mod landlock;
mod launcher;
mod notifier;
mod output;
mod pool;
mod queue;
mod slot;
mod spawn;
mod stdio;
mod sys;
mod terms;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;

pub use berth::OutputFile;
pub use child::{Child, Output};
pub use exec::Exec;
pub use group::{GroupOutcome, MemberEnd, RunningGroup, Teed};
pub use notifier::{Notification, Notifier};
pub use pool::Pool;

pub(crate) use facts::{privileged, seccomp_works};
pub(crate) use group::spawn as spawn_group;
#[cfg(feature = "landlock")]
pub(crate) use landlock::require as require_landlock;
pub(crate) use spawn::{explain, rehearse, rehearse_limits, seccomp_program, spawn};
