//! Landlock on the host's side: what the kernel has, and the ruleset without its paths.

use std::io;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, AddRuleError, AddRulesError, BitFlags, CompatLevel, Compatible,
    CreateRulesetError, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};

use super::sys;
use crate::config::landlock::TcpPorts;
use crate::config::{Landlock, LandlockAbi};
use crate::error::{Error, ErrorKind, Result};

/// The ruleset of a policy. The launcher adds the paths, as the workload sees them.
pub(super) fn ruleset(policy: &Landlock) -> Result<OwnedFd> {
    require(policy.abi)?;
    create(policy).map_err(|error| refused(&error)).and_then(|fd| {
        // The crate has none where it has left everything out, which a hard requirement forbids.
        fd.ok_or_else(|| Error::new(ErrorKind::Unsupported, "landlock", "the kernel has no Landlock"))
    })
}

fn create(policy: &Landlock) -> std::result::Result<Option<OwnedFd>, RulesetError> {
    let abi = ABI::from(policy.abi.number() as i32);
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if !policy.files.is_empty() {
        ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
    }
    if policy.tcp.is_some() {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    let scopes = scopes(policy);
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes)?;
    }
    let ports = policy.tcp.iter().flat_map(ports).map(Ok::<_, RulesetError>);
    Ok(ruleset.create()?.add_rules(ports)?.into())
}

fn scopes(policy: &Landlock) -> BitFlags<Scope> {
    let chosen = [(policy.signals, Scope::Signal), (policy.abstract_sockets, Scope::AbstractUnixSocket)];
    chosen.into_iter().filter(|(asked, _)| *asked).map(|(_, scope)| scope).collect()
}

fn ports(ports: &TcpPorts) -> impl Iterator<Item = NetPort> {
    let bind = ports.bind.iter().map(|port| NetPort::new(*port, AccessNet::BindTcp));
    let connect = ports.connect.iter().map(|port| NetPort::new(*port, AccessNet::ConnectTcp));
    bind.chain(connect)
}

/// Whether the kernel has this ABI; the error says what it lacks.
pub(crate) fn require(abi: LandlockAbi) -> Result<()> {
    compare(abi, sys::landlock_abi())
}

/// What a kernel that gave this answer lacks.
fn compare(needed: LandlockAbi, found: io::Result<u32>) -> Result<()> {
    match found {
        Ok(number) if number >= needed.number() => Ok(()),
        Ok(number) => Err(too_old(needed, number)),
        Err(error) => Err(unavailable(&error)),
    }
}

fn too_old(needed: LandlockAbi, number: u32) -> Error {
    let lacking = needed.lacking(number).join(", ");
    let what = format!("the kernel has Landlock ABI {number}, and so lacks {lacking}");
    let remedy = format!(
        "Linux {} has ABI {}; a policy for `LandlockAbi::V{number}` does without",
        needed.linux(),
        needed.number()
    );
    Error::new(ErrorKind::Unsupported, "landlock", what).with_remedy(remedy)
}

fn unavailable(error: &io::Error) -> Error {
    let failed = Error::io("landlock", "the kernel has no Landlock", error).with_kind(ErrorKind::Unsupported);
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => failed.with_remedy(
            "it is built in but was not enabled at boot: put `landlock` first in the boot parameter `lsm=`, \
             before what /sys/kernel/security/lsm lists",
        ),
        Some(libc::ENOSYS) => failed.with_remedy(
            "it needs Linux 5.13, built with CONFIG_SECURITY_LANDLOCK and booted with `landlock` in the \
             parameter `lsm=`; or a seccomp filter on this program forbids the call",
        ),
        Some(libc::EPERM | libc::EACCES) => failed
            .with_remedy("a seccomp filter on this program forbids it: allow landlock_create_ruleset(2)"),
        _ => failed,
    }
}

/// The kernel, or the crate in its name, would not take the ruleset.
fn refused(error: &RulesetError) -> Error {
    let source = match error {
        RulesetError::CreateRuleset(CreateRulesetError::CreateRulesetCall { source, .. })
        | RulesetError::AddRules(AddRulesError::Net(AddRuleError::AddRuleCall { source, .. })) => source,
        other => return Error::new(ErrorKind::Unsupported, "landlock", other.to_string()),
    };
    let failed = Error::io("landlock", "the ruleset", source);
    match source.raw_os_error() {
        Some(libc::EMFILE) => failed.with_remedy(super::diagnose::OPEN_FILES),
        // TCP rules without TCP: CONFIG_INET.
        Some(libc::EAFNOSUPPORT) => failed.with_kind(ErrorKind::Unsupported),
        _ => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FileAccess;

    #[test]
    fn the_rights_of_each_abi_are_those_of_the_landlock_crate() {
        for abi in LandlockAbi::all() {
            let theirs = AccessFs::from_all(ABI::from(abi.number() as i32));
            assert_eq!(abi.file_access().bits(), theirs.bits(), "{abi:?}");
        }
        let files = AccessFs::from_file(ABI::V7);
        assert_eq!(crate::launcher::abi::LANDLOCK_ACCESS_FILE, files.bits());
    }

    #[test]
    fn every_right_has_a_name_for_explain() {
        let bits = FileAccess::all().bits();
        assert_eq!(crate::plan::file_rights(bits), FileAccess::all().names());
        assert_eq!(crate::plan::file_rights(bits).split(' ').count(), 16);
    }

    #[test]
    fn a_kernel_that_is_too_old_is_told_what_it_lacks() {
        assert!(compare(LandlockAbi::V5, Ok(5)).is_ok());
        assert!(compare(LandlockAbi::V5, Ok(9)).is_ok(), "a newer one");

        let error = compare(LandlockAbi::V6, Ok(3)).expect_err("too old");

        assert_eq!((error.kind(), error.step()), (ErrorKind::Unsupported, "landlock"));
        assert_eq!(
            error.to_string(),
            "landlock: the kernel has Landlock ABI 3, and so lacks TCP ports (ABI 4), ioctl(2) on devices \
             (ABI 5), scopes of signals and of abstract Unix sockets (ABI 6); Linux 6.12 has ABI 6; a policy \
             for `LandlockAbi::V3` does without"
        );
    }

    #[test]
    fn a_kernel_without_landlock_is_told_how_to_get_it() {
        let found = |errno| Err(io::Error::from_raw_os_error(errno));
        for (errno, remedy) in [
            (libc::EOPNOTSUPP, "put `landlock` first in the boot parameter `lsm=`"),
            (libc::ENOSYS, "CONFIG_SECURITY_LANDLOCK"),
            (libc::EPERM, "seccomp"),
        ] {
            let error = compare(LandlockAbi::V1, found(errno)).expect_err("none");
            assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Unsupported, Some(errno)));
            assert!(error.remedy().is_some_and(|text| text.contains(remedy)), "{error}");
        }
    }
}
