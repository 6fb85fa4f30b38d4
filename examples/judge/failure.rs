//! What keeps the judge from judging.

use std::fmt;
use std::io;
use std::path::Path;

/// The judge's own failure, never the submission's.
#[derive(Clone, Debug)]
pub struct Failure(String);

impl Failure {
    /// With this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Failure(reason.into())
    }

    /// A file of the host that cannot be read.
    pub fn read(path: &Path, error: &io::Error) -> Self {
        Failure(format!("cannot read {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<cofferdam::Error> for Failure {
    fn from(error: cofferdam::Error) -> Self {
        Failure(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure(error.to_string())
    }
}
