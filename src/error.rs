//! One error type: which step failed, on what, why, and what helps.

use std::fmt;
use std::io;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a container could not be set up, or its handle not be used.
///
/// Displayed, it names the step (as in [`explain`](crate::Container::explain)), what the step worked on,
/// the kernel's reason, and a remedy where one is known.
///
/// ```
/// use cofferdam::{Container, ErrorKind};
/// let error = Container::new().command("/bin/true").rootfs("/no/such/place").spawn().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.step(), "rootfs");
/// assert!(error.to_string().contains("/no/such/place"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    step: &'static str,
    subject: String,
    errno: Option<i32>,
    remedy: Option<String>,
}

/// What sort of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The container was described in a way that cannot work on any host.
    InvalidInput,
    /// A file is missing: the program inside, or a path of the host.
    NotFound,
    /// A file may not be used, or is not executable.
    PermissionDenied,
    /// The host forbids the namespaces, or some of them.
    NamespacesForbidden,
    /// A limit was asked for that cannot be enforced here.
    LimitUnavailable,
    /// The kernel lacks something.
    Unsupported,
    /// The kernel has no room: processes, namespaces, descriptors, memory.
    ResourceExhausted,
    /// Any other failure to set the container up or to talk to it.
    Failed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, step: &'static str, subject: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, step, subject: subject.into(), errno: None, remedy: None }))
    }

    /// Bad input, found before anything was created.
    pub(crate) fn invalid(step: &'static str, subject: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidInput, step, subject)
    }

    /// A failed system call; the kind follows from the number.
    pub(crate) fn errno(step: &'static str, subject: impl Into<String>, errno: i32) -> Self {
        let mut error = Error::new(kind_of(errno), step, subject);
        error.0.errno = Some(errno);
        error
    }

    /// An I/O error of the standard library.
    pub(crate) fn io(step: &'static str, subject: impl Into<String>, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Error::errno(step, subject, errno),
            None => Error::new(ErrorKind::Failed, step, format!("{}: {error}", subject.into())),
        }
    }

    /// Of one member of a group.
    pub(crate) fn of_member(mut self, name: &str) -> Self {
        self.0.subject = format!("member `{name}`: {}", self.0.subject);
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// What sort of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of the step that failed, as [`explain`](crate::Container::explain) prints it; outside the
    /// steps, what the library was doing: `rootfs`, `cgroup`, `clone`, `launcher`, `group`, `wait` and so on.
    pub fn step(&self) -> &str {
        self.0.step
    }

    /// What the step worked on: the path, the limit, the option.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The kernel's error number, where a system call failed.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.errno
    }

    /// What helps, where that is known.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }
}

fn kind_of(errno: i32) -> ErrorKind {
    match errno {
        libc::ENOENT | libc::ENOTDIR => ErrorKind::NotFound,
        libc::EACCES | libc::EPERM | libc::EROFS => ErrorKind::PermissionDenied,
        libc::ENOSYS | libc::ENODEV | libc::EOPNOTSUPP => ErrorKind::Unsupported,
        libc::EAGAIN | libc::ENOMEM | libc::ENOSPC | libc::EMFILE | libc::ENFILE | libc::EUSERS => {
            ErrorKind::ResourceExhausted
        }
        _ => ErrorKind::Failed,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        write!(f, "{}: {}", inner.step, inner.subject)?;
        if let Some(errno) = inner.errno {
            write!(f, ": {}", io::Error::from_raw_os_error(errno))?;
        }
        if let Some(remedy) = &inner.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// As displayed, for a `main` that returns it; field by field with `{:#?}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        let Inner { kind, step, subject, errno, remedy } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("step", step)
            .field("subject", subject)
            .field("errno", errno)
            .field("remedy", remedy)
            .finish()
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::InvalidInput => io::ErrorKind::InvalidInput,
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::PermissionDenied | ErrorKind::NamespacesForbidden => io::ErrorKind::PermissionDenied,
            ErrorKind::LimitUnavailable | ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::ResourceExhausted => io::ErrorKind::QuotaExceeded,
            ErrorKind::Failed => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
