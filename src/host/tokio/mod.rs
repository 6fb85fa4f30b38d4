//! The handle for programs on the Tokio runtime. What is done is done by the blocking code; here stands how the
//! runtime waits for it.

mod child;
mod exec;
mod notifier;
mod output;
mod pause;
mod pool;
mod spawn;
mod tended;
mod ticks;
mod watch;

use ::tokio::runtime::Handle;

use crate::error::{Error, ErrorKind, Result};

pub use child::Child;
pub use exec::Exec;
pub use notifier::Notifier;
pub(crate) use spawn::spawn;

/// Whether there is a runtime that can watch descriptors. Without one Tokio would panic.
fn runtime() -> Result<Handle> {
    Handle::try_current().map_err(|error| {
        let error = Error::new(ErrorKind::Failed, "runtime", format!("no Tokio runtime: {error}"));
        error.with_remedy("call it in a task, in `Runtime::block_on`, or with `Runtime::enter`")
    })
}

/// The runtime is there, and does not watch: it shuts down, or the kernel has no room.
fn unwatched(error: std::io::Error) -> Error {
    Error::io("runtime", "cannot watch a descriptor", &error)
}
