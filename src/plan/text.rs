//! Strings as the kernel wants them.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::wire;

impl wire::Put for CString {
    fn put(&self, out: &mut impl wire::Sink) {
        self.as_bytes_with_nul().put(out);
    }
}

impl wire::Put for Vec<u8> {
    fn put(&self, out: &mut impl wire::Sink) {
        self.as_slice().put(out);
    }
}

/// A C string; `step` and the text name the culprit if it contains a NUL.
pub(super) fn c_string(step: &'static str, text: impl AsRef<OsStr>) -> Result<CString> {
    let text = text.as_ref();
    CString::new(text.as_bytes()).map_err(|_| Error::invalid(step, format!("{text:?} contains a NUL byte")))
}

/// A C string of a path, which must also be shorter than the kernel's `PATH_MAX`.
pub(super) fn c_path(step: &'static str, path: &Path) -> Result<CString> {
    if path.as_os_str().len() >= libc::PATH_MAX as usize {
        let start = String::from_utf8_lossy(&path.as_os_str().as_bytes()[..60]).into_owned();
        return Err(Error::invalid(step, format!("the path {start}… is longer than 4095 bytes")));
    }
    c_string(step, path)
}

/// A number in digits.
pub(super) fn digits(number: impl std::fmt::Display) -> CString {
    CString::new(number.to_string()).unwrap_or_default()
}
