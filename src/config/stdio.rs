//! The workload's descriptors.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What one of the three standard streams is connected to. As `std::process::Stdio`, but usable for
/// many runs, which share the offset of a file. Made by `into()` from a [`File`] or an [`OwnedFd`] too.
///
/// Through `/proc/self/fd` a workload can open a file that it was given anew, also for writing, if its user id
/// on the host may: an ordinary user's workload has that user's own. A sealed memfd cannot be written.
///
/// ```
/// use cofferdam::{Container, Stdio};
/// let log = tempfile::tempfile()?;
/// let container = Container::new().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stdio(pub(crate) StdioKind);

#[derive(Clone, Debug)]
pub(crate) enum StdioKind {
    Inherit,
    Null,
    Piped,
    Fd(Arc<OwnedFd>),
}

impl Stdio {
    /// The host program's own stream; `/dev/null` where the host program has closed it.
    pub fn inherit() -> Self {
        Stdio(StdioKind::Inherit)
    }

    /// `/dev/null`.
    pub fn null() -> Self {
        Stdio(StdioKind::Null)
    }

    /// A new pipe for each run, whose other end the [`Child`](crate::Child) holds.
    pub fn piped() -> Self {
        Stdio(StdioKind::Piped)
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Stdio(StdioKind::Fd(Arc::new(fd)))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        OwnedFd::from(file).into()
    }
}

/// Streams and further descriptors.
#[derive(Clone, Debug, Default)]
pub(crate) struct StdioConfig {
    /// Standard input, output and error; `None` where the default of the call counts.
    pub streams: [Option<Stdio>; 3],
    /// Number in the workload, and what appears there.
    pub extra: Vec<(u32, Arc<OwnedFd>)>,
}
