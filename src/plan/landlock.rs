//! The steps that enforce a Landlock policy.

use super::text::{c_path, c_string};
use super::validate::target;
use super::{Builder, Resource, Step};
use crate::config::{Description, FileAccess, Landlock, LandlockAbi};
use crate::error::{Error, Result};

impl Builder<'_> {
    /// The host makes the ruleset, which the launcher fills with paths, because only the launcher sees them.
    pub(super) fn landlock(&mut self) -> Result<()> {
        let Some(policy) = &self.container.landlock else { return Ok(()) };
        let fd = self.resource(Resource::Landlock(policy.clone()));
        for (path, access) in &policy.files {
            let path = c_path("landlock-rule", path)?;
            self.push(Step::LandlockRule { fd, path, access: access.bits() });
        }
        self.push(Step::LandlockRestrict { fd, policy: c_string("landlock", words(policy))? });
        Ok(())
    }
}

/// A policy in one line.
fn words(policy: &Landlock) -> String {
    let mut covered = policy.covered().join(", ");
    if let Some(ports) = &policy.tcp {
        let list = |ports: Vec<String>| if ports.is_empty() { "none".into() } else { ports.join(" ") };
        let bind = list(ports.bind.iter().map(u16::to_string).collect());
        let connect = list(ports.connect.iter().map(u16::to_string).collect());
        covered = covered.replace("TCP ports", &format!("TCP ports (bind {bind}, connect {connect})"));
    }
    let open = policy.uncovered();
    let open = if open.is_empty() { String::new() } else { format!("; not {}", open.join(", ")) };
    format!("ABI {}: {covered}{open}", policy.abi.number())
}

/// Refuses what the stated ABI cannot mean.
pub(super) fn validate(container: &Description) -> Result<()> {
    let Some(policy) = &container.landlock else { return Ok(()) };
    if !container.identity.no_new_privs {
        let what = "without `no_new_privs` the kernel lets only a privileged process restrict itself";
        let error = Error::invalid("landlock", what);
        return Err(error.with_remedy("leave `no_new_privs` as it is"));
    }
    let scopes = policy.signals || policy.abstract_sockets;
    if policy.files.is_empty() && policy.tcp.is_none() && !scopes {
        let error = Error::invalid("landlock", "the policy restricts nothing");
        return Err(error.with_remedy("add rules, `deny_tcp` or a scope"));
    }
    policy.files.iter().try_for_each(|(path, access)| {
        target("landlock", path)?;
        file_access(policy.abi, *access)
    })?;
    tcp(policy)?;
    if scopes {
        needs(policy.abi, LandlockAbi::V6, "scopes of signals and abstract Unix sockets")?;
    }
    Ok(())
}

fn file_access(abi: LandlockAbi, access: FileAccess) -> Result<()> {
    if access.is_empty() {
        return Err(Error::invalid("landlock", "a rule that gives no right"));
    }
    let unknown = access.difference(abi.file_access());
    if unknown.is_empty() {
        return Ok(());
    }
    let what = format!("ABI {} does not know the right {}", abi.number(), unknown.names());
    let since = LandlockAbi::all().find(|newer| newer.file_access().contains(unknown));
    let error = Error::invalid("landlock", what);
    Err(match since {
        Some(since) => error.with_remedy(format!("state `LandlockAbi::{since:?}`, or leave it out")),
        None => error,
    })
}

fn tcp(policy: &Landlock) -> Result<()> {
    let Some(ports) = &policy.tcp else { return Ok(()) };
    if ports.connect.contains(&0) {
        return Err(Error::invalid("landlock", "nobody can connect to TCP port 0"));
    }
    needs(policy.abi, LandlockAbi::V4, "rules for TCP ports")
}

fn needs(stated: LandlockAbi, needed: LandlockAbi, what: &str) -> Result<()> {
    if stated >= needed {
        return Ok(());
    }
    let error = Error::invalid("landlock", format!("ABI {} has no {what}", stated.number()));
    Err(error.with_remedy(format!("state `LandlockAbi::{needed:?}`, which needs Linux {}", needed.linux())))
}
