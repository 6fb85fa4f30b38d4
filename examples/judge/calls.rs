//! Which system calls a submission may make.

use cofferdam::Seccomp;
use serde::Deserialize;

/// What a problem lets its submissions do.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calls {
    /// What ordinary programs do, further processes and sockets within the container among it.
    #[default]
    Default,
    /// Read, compute, in several threads too, and write.
    ComputeOnly,
}

impl Calls {
    pub fn policy(self) -> Seccomp {
        match self {
            Calls::Default => Seccomp::default(),
            Calls::ComputeOnly => Seccomp::compute_only(),
        }
    }
}
