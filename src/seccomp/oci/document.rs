//! The JSON text, and what of it is refused.

use serde::Deserialize;

use super::foreign::is_foreign;
use super::{Entry, Profile, Scope, severity};
use crate::config::Capabilities;
use crate::error::{Error, Result};
use crate::seccomp::action::SeccompAction;
use crate::seccomp::kernel::KernelVersion;
use crate::seccomp::rule::Comparison;
use crate::seccomp::syscall::{Architecture, is_known};

/// `seccomp` of the OCI runtime specification's config-linux, with what Docker adds to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    default_action: Action,
    default_errno_ret: Option<u32>,
    architectures: Option<Vec<String>>,
    /// Docker's.
    arch_map: Option<Vec<ArchitectureMap>>,
    flags: Option<Vec<String>>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    syscalls: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ArchitectureMap {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    names: Option<Vec<String>>,
    /// Instead of `names`, in Docker's older profiles.
    name: Option<String>,
    action: Action,
    errno_ret: Option<u32>,
    args: Option<Vec<Argument>>,
    /// The next three are Docker's.
    #[serde(rename = "comment")]
    _comment: Option<String>,
    includes: Option<Condition>,
    excludes: Option<Condition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Argument {
    index: u8,
    value: u64,
    value_two: Option<u64>,
    op: Operator,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
enum Action {
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    #[serde(rename = "SCMP_ACT_KILL_THREAD", alias = "SCMP_ACT_KILL")]
    KillThread,
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
enum Operator {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

/// What `architectures` may list.
const ARCHITECTURES: [&str; 23] = [
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

/// What `arches` may list: libseccomp's names, as Docker has them.
const ARCHES: [&str; 21] = [
    "amd64",
    "arm",
    "arm64",
    "loong64",
    "loongarch64",
    "mips",
    "mips3l64n32",
    "mips64",
    "mips64n32",
    "mipsel",
    "mipsel64",
    "mipsel64n32",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv64",
    "s390",
    "s390x",
    "x32",
    "x86",
];

const TSYNC: &str = "SECCOMP_FILTER_FLAG_TSYNC";

impl Profile {
    /// Reads a profile, and refuses what cannot be honoured on a machine of this architecture.
    pub fn read(json: &str, native: Architecture) -> Result<Profile> {
        let document: Document = serde_json::from_str(json).map_err(|error| {
            refusal(error).with_remedy(
                "the format is that of Docker's profiles and of the OCI runtime specification; of a config.json \
                 give the object `linux.seccomp`",
            )
        })?;
        document.check_architectures(native)?;
        document.check_flags()?;
        document.check_listener()?;
        let otherwise = document.default_action.with(document.default_errno_ret).map_err(refusal)?;
        let syscalls = document.syscalls.unwrap_or_default();
        let entry = |(index, rule): (usize, Rule)| {
            rule.entry(otherwise).map_err(|what| refusal(format!("syscalls[{index}]: {what}")))
        };
        let entries = syscalls.into_iter().enumerate().map(entry).collect::<Result<_>>()?;
        Ok(Profile { otherwise, entries })
    }
}

impl Document {
    fn check_architectures(&self, native: Architecture) -> Result<()> {
        let architectures = self.architectures.iter().flatten();
        let maps = || self.arch_map.iter().flatten();
        let sub = maps().flat_map(|map| map.sub_architectures.iter().flatten());
        let listed: Vec<_> = architectures.chain(maps().map(|map| &map.architecture)).collect();
        let mut all = listed.iter().copied().chain(sub);
        if let Some(unknown) = all.find(|name| !ARCHITECTURES.contains(&name.as_str())) {
            return Err(refusal(format!("`{unknown}` is no architecture")));
        }
        if self.architectures.iter().flatten().next().is_some() && maps().next().is_some() {
            return Err(refusal("`architectures` and `archMap` exclude each other"));
        }
        let own = scmp_name(native);
        if listed.is_empty() || listed.iter().any(|name| *name == own) {
            return Ok(());
        }
        let remedy = format!("add `{own}` if the profile is meant for this machine, too");
        Err(refusal(format!("the architectures do not list this machine's, {own}")).with_remedy(remedy))
    }

    /// The filter comes into force in a process that has one thread.
    fn check_flags(&self) -> Result<()> {
        match self.flags.iter().flatten().find(|flag| *flag != TSYNC) {
            Some(flag) => Err(refusal(format!("the flag `{flag}` is not supported"))
                .with_remedy("leave `flags` out, or empty, if the profile may do without")),
            None => Ok(()),
        }
    }

    fn check_listener(&self) -> Result<()> {
        let fields = [("listenerPath", &self.listener_path), ("listenerMetadata", &self.listener_metadata)];
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        match fields.iter().find(|(_, text)| given(text)) {
            Some((field, _)) => Err(refusal(format!("`{field}` is not supported")).with_remedy(
                "leave it out: the host program decides on `SCMP_ACT_NOTIFY` itself, by `Child::notifier`",
            )),
            None => Ok(()),
        }
    }
}

impl Rule {
    fn entry(self, otherwise: SeccompAction) -> Result<Entry, String> {
        let names = match (self.names.unwrap_or_default(), self.name.filter(|name| !name.is_empty())) {
            (names, None) if !names.is_empty() => names,
            (names, Some(name)) if names.is_empty() => vec![name],
            (_, None) => return Err("there are no `names`".to_owned()),
            (_, Some(_)) => return Err("`name` and `names` exclude each other".to_owned()),
        };
        let action = self.action.with(self.errno_ret)?;
        // To pass over a call that cannot be found makes the profile stricter, or leaves it as it is.
        let harmless = severity(action) <= severity(otherwise);
        let lost = |name: &&String| !(harmless || is_known(name) || is_foreign(name));
        if let Some(name) = names.iter().find(lost) {
            return Err(format!(
                "no system call is known by the name `{name}`, which so would be let through"
            ));
        }
        Ok(Entry {
            names,
            action,
            alternatives: alternatives(self.args.unwrap_or_default())?,
            includes: self.includes.unwrap_or_default().scope()?,
            excludes: self.excludes.unwrap_or_default().scope()?,
        })
    }
}

/// All must hold; where two are of the same argument, which libseccomp once could not combine, any one suffices.
fn alternatives(arguments: Vec<Argument>) -> Result<Vec<Vec<(u8, Comparison)>>, String> {
    let conditions = arguments.iter().map(Argument::condition).collect::<Result<Vec<_>, _>>()?;
    let mut indexes: Vec<_> = conditions.iter().map(|(index, _)| *index).collect();
    indexes.sort_unstable();
    if indexes.is_sorted_by(|one, next| one < next) {
        return Ok(vec![conditions]);
    }
    Ok(conditions.into_iter().map(|condition| vec![condition]).collect())
}

impl Argument {
    fn condition(&self) -> Result<(u8, Comparison), String> {
        let Argument { index, value, value_two, op } = *self;
        if index > 5 {
            return Err(format!("there is no argument {index}, only 0 to 5"));
        }
        let second = value_two.unwrap_or_default();
        if second != 0 && op != Operator::MaskedEqual {
            return Err("`valueTwo` belongs to `SCMP_CMP_MASKED_EQ` only".to_owned());
        }
        let comparison = match op {
            Operator::NotEqual => Comparison::NotEqual(value),
            Operator::Less => Comparison::Less(value),
            Operator::LessOrEqual => Comparison::LessOrEqual(value),
            Operator::Equal => Comparison::Equal(value),
            Operator::GreaterOrEqual => Comparison::GreaterOrEqual(value),
            Operator::Greater => Comparison::Greater(value),
            Operator::MaskedEqual => Comparison::MaskedEqual { mask: value, value: second },
        };
        Ok((index, comparison))
    }
}

impl Condition {
    fn scope(self) -> Result<Scope, String> {
        let mut capabilities = Capabilities::empty();
        for name in self.caps.unwrap_or_default() {
            let known = Capabilities::named(&name).filter(|_| name.starts_with("CAP_"));
            capabilities |= known.ok_or_else(|| format!("`{name}` is no capability"))?;
        }
        let architectures = self.arches.unwrap_or_default();
        if let Some(unknown) = architectures.iter().find(|name| !ARCHES.contains(&name.as_str())) {
            return Err(format!("`{unknown}` is no architecture, as `arches` has them: `amd64`, `arm64`"));
        }
        let version = |text: String| {
            kernel_version(&text).ok_or_else(|| format!("`minKernel` is not of the form 4.8: `{text}`"))
        };
        Ok(Scope { capabilities, architectures, kernel: self.min_kernel.map(version).transpose()? })
    }
}

impl Action {
    fn with(self, errno: Option<u32>) -> Result<SeccompAction, String> {
        let action = match self {
            Action::KillProcess => SeccompAction::KillProcess,
            Action::KillThread => SeccompAction::KillThread,
            Action::Trap => SeccompAction::Trap,
            Action::Errno => return errno_action(errno.unwrap_or(libc::EPERM as u32)),
            Action::Notify => SeccompAction::Notify,
            Action::Trace => return Err("`SCMP_ACT_TRACE` needs a tracer, and there is none".to_owned()),
            Action::Log => SeccompAction::Log,
            Action::Allow => SeccompAction::Allow,
        };
        match errno {
            Some(_) => Err("an error number belongs to `SCMP_ACT_ERRNO` only".to_owned()),
            None => Ok(action),
        }
    }
}

fn errno_action(number: u32) -> Result<SeccompAction, String> {
    match i32::try_from(number) {
        Ok(number) if number <= 4095 => Ok(SeccompAction::Errno(number)),
        _ => Err(format!("{number} is no error number: 0 to 4095")),
    }
}

fn kernel_version(text: &str) -> Option<KernelVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(KernelVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

/// As in `architectures`.
fn scmp_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "SCMP_ARCH_X86_64",
        Architecture::Aarch64 => "SCMP_ARCH_AARCH64",
    }
}

fn refusal(what: impl std::fmt::Display) -> Error {
    Error::invalid("seccomp", format!("the profile: {what}"))
}
