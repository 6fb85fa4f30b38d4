//! The program, its arguments and its environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub name: Option<OsString>,
    pub arguments: Vec<OsString>,
    pub environment: Environment,
    pub directory: Option<PathBuf>,
}

/// The environment: a documented few variables, and the caller's changes.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub variables: BTreeMap<OsString, OsString>,
}

/// Variables of every container, unless removed.
pub(crate) const DEFAULT_ENVIRONMENT: [(&str, &str); 3] = [
    ("HOME", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
];

impl Default for Environment {
    fn default() -> Self {
        let variables = DEFAULT_ENVIRONMENT.iter().map(|(key, value)| (key.into(), value.into())).collect();
        Environment { variables }
    }
}
