//! Profiles as Docker and the OCI runtime specification write them, and what they come to in a container.
//!
//! The text is read and checked once. What depends on the container or on the kernel (`includes`, `excludes`) is
//! decided when the filter is compiled.

mod document;
mod foreign;

#[cfg(test)]
pub(super) use foreign::is_foreign;

use std::collections::HashSet;
use std::sync::Arc;

use super::action::SeccompAction;
use super::kernel::KernelVersion;
use super::policy::{Base, Seccomp};
use super::resolve::{Circumstances, Ground};
use super::rule::{Comparison, SyscallRule};
use super::syscall::{Architecture, is_known};
use crate::config::Capabilities;
use crate::error::{Error, Result};

/// # Profiles of others
impl Seccomp {
    /// A policy from a JSON profile as Docker (`--security-opt seccomp=FILE`) and the OCI runtime specification
    /// (the object `linux.seccomp` of a `config.json`) have it. Needs the cargo feature `seccomp-json`.
    ///
    /// The profile takes the place of [`default`](Self::default); the other methods add to it as to any policy,
    /// and what they add is tried first.
    ///
    /// - Of several entries for a call, the strictest one whose `args` hold decides: `KILL_PROCESS`, `KILL_THREAD`
    ///   (which is also `KILL`), `TRAP`, `ERRNO`, `NOTIFY`, `LOG`, `ALLOW`, and of equally strict ones those with
    ///   `args` first, then the one that comes first. An entry without `args` that says what `defaultAction` says
    ///   counts for nothing, as in runc. `args` must all hold, but if two are of one `index`, any one suffices.
    /// - `includes` and `excludes` look at the [bounding set](crate::CapabilitySets::bounding) of the container's
    ///   capabilities, at this machine's architecture, and at the kernel's version.
    /// - Calls that no entry names get `defaultAction`. Those with a number above all that entries name fail with
    ///   `ENOSYS`, as on a kernel without them, unless `defaultAction` lets calls pass: programs then try an
    ///   older call.
    /// - Names that no call of this architecture has are passed over where the profile loses nothing by that:
    ///   where the action is no stricter than `defaultAction`, or the call is known to be another
    ///   architecture's, such as `mmap2` or `umount`.
    /// - Other architectures that are listed are **not** served: their calls end the process, as with every policy.
    ///   Calls of x32 fail with `ENOSYS`.
    /// - `SCMP_ACT_NOTIFY` is served by [`Child::notifier`](crate::Child::notifier).
    ///
    /// # Errors
    ///
    /// What cannot be honoured is an error that names the place, never passed over: fields that neither format
    /// has; architectures without this machine's; `SCMP_ACT_TRACE`; `listenerPath` and `listenerMetadata`; flags
    /// other than `SECCOMP_FILTER_FLAG_TSYNC`, which changes nothing here; an `errnoRet` that is over 4095 or
    /// belongs to an action without one; unknown names of capabilities, architectures and, as said above, calls.
    /// A value with more bits than its argument has is an error when the container is started.
    ///
    /// ```
    /// use cofferdam::{Container, Seccomp};
    /// let profile = r#"{
    ///     "defaultAction": "SCMP_ACT_ALLOW",
    ///     "syscalls": [
    ///         { "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30 },
    ///         { "names": ["mount"], "action": "SCMP_ACT_KILL_PROCESS", "excludes": { "caps": ["CAP_SYS_ADMIN"] } }
    ///     ]
    /// }"#;
    /// let policy = Seccomp::from_oci_json(profile)?;
    /// let output = Container::new().command("mkdir").arg("/tmp/x").seccomp(policy).output()?;
    /// assert!(String::from_utf8_lossy(&output.stderr).contains("Read-only file system"));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn from_oci_json(json: &str) -> Result<Seccomp> {
        let profile = Profile::read(json, Architecture::NATIVE)?;
        Ok(Seccomp::based_on(Base::Oci(Arc::new(profile))))
    }
}

/// A profile that was found sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    otherwise: SeccompAction,
    entries: Vec<Entry>,
}

/// An element of `syscalls`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    names: Vec<String>,
    action: SeccompAction,
    /// Lists of conditions, of which one must hold as a whole.
    alternatives: Vec<Vec<(u8, Comparison)>>,
    includes: Scope,
    excludes: Scope,
}

/// What `includes` or `excludes` list; nothing of what they do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Scope {
    capabilities: Capabilities,
    architectures: Vec<String>,
    kernel: Option<KernelVersion>,
}

impl Profile {
    /// What the profile comes to, as rules.
    pub fn ground(&self, circumstances: &Circumstances) -> Result<Ground> {
        let mut entries = Vec::new();
        for entry in &self.entries {
            if entry.applies(circumstances)? {
                entries.push(entry);
            }
        }
        let redundant = |rule: &SyscallRule| rule.conditions.is_empty() && rule.action == self.otherwise;
        let mut rules: Vec<_> =
            entries.iter().flat_map(|entry| entry.rules()).filter(|rule| !redundant(rule)).collect();
        // The last one is tried first.
        rules.reverse();
        rules.sort_by_key(|rule| (severity(rule.action), !rule.conditions.is_empty()));
        let last = self.last(&entries, circumstances.architecture);
        Ok(Ground { rules, known: self.otherwise, unknown: self.otherwise, last })
    }

    /// The highest number that an entry names, if those above it are to look like calls that do not exist.
    fn last(&self, entries: &[&Entry], architecture: Architecture) -> u32 {
        let passes = matches!(self.otherwise, SeccompAction::Allow | SeccompAction::Log);
        if passes {
            return u32::MAX;
        }
        let names: HashSet<_> = entries.iter().flat_map(|entry| &entry.names).map(String::as_str).collect();
        let numbers = architecture.syscalls().filter(|(name, _)| names.contains(name));
        numbers.map(|(_, number)| number).max().unwrap_or(u32::MAX)
    }
}

impl Entry {
    fn applies(&self, circumstances: &Circumstances) -> Result<bool> {
        let Circumstances { architecture, capabilities, .. } = circumstances;
        let native =
            |scope: &Scope| scope.architectures.iter().any(|name| name == docker_name(*architecture));
        let Entry { includes, excludes, .. } = self;
        let included = capabilities.contains(includes.capabilities)
            && (includes.architectures.is_empty() || native(includes))
            && includes.kernel.map_or(Ok(true), |least| is_at_least(circumstances, least))?;
        let excluded = capabilities.intersects(excludes.capabilities)
            || native(excludes)
            || excludes.kernel.map_or(Ok(false), |least| is_at_least(circumstances, least))?;
        Ok(included && !excluded)
    }

    /// One for each list of conditions, for the calls that have a number.
    fn rules(&self) -> impl Iterator<Item = SyscallRule> {
        let names = self.names.iter().filter(|name| is_known(name));
        let calls = SyscallRule::new(names, self.action);
        self.alternatives.iter().map(move |conditions| {
            let rule = calls.clone();
            conditions.iter().fold(rule, |rule, (index, comparison)| rule.argument(*index, *comparison))
        })
    }
}

fn is_at_least(circumstances: &Circumstances, least: KernelVersion) -> Result<bool> {
    match circumstances.kernel {
        Some(version) => Ok(version >= least),
        None => {
            Err(Error::invalid("seccomp", "the profile has a `minKernel`, and uname(2) tells no version"))
        }
    }
}

/// The order in which the kernel ranks the verdicts of several filters: seccomp(2).
fn severity(action: SeccompAction) -> u32 {
    match action {
        SeccompAction::Allow => 0,
        SeccompAction::Log => 1,
        SeccompAction::Notify => 2,
        SeccompAction::Errno(_) => 3,
        SeccompAction::Trap => 4,
        SeccompAction::KillThread => 5,
        SeccompAction::KillProcess | SeccompAction::Kill => 6,
    }
}

/// As in `includes` and `excludes`.
fn docker_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "amd64",
        Architecture::Aarch64 => "arm64",
    }
}
