//! What this host allows, found out by trying.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "landlock")]
use crate::config::LandlockAbi;
use crate::config::{IdMapping, Limit, Namespaces, Overlay};
use crate::container::Container;
use crate::error::Error;
use crate::host;

/// What a host may or may not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// A container with all defaults.
    Container,
    /// New namespaces of one kind (along with a user namespace, where the caller is not root).
    Namespace(Namespaces),
    /// A new `/proc`.
    Proc,
    /// Overlays.
    Overlay,
    /// The filter of system calls, with user notification, which [`SeccompAction::Kill`](crate::SeccompAction::Kill),
    /// `Notify` and [`report_only`](crate::Seccomp::report_only) need.
    Seccomp,
    /// Several ids inside, from `/etc/subuid`.
    SubordinateIds,
    /// A limit, held strictly.
    Limit(Limit),
    /// Landlock, for policies of this ABI.
    #[cfg(feature = "landlock")]
    Landlock(LandlockAbi),
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Feature::Container => f.write_str("container with all defaults"),
            Feature::Namespace(kinds) => {
                write!(f, "{} namespace", kinds.names().collect::<Vec<_>>().join(" "))
            }
            Feature::Proc => f.write_str("new /proc"),
            Feature::Overlay => f.write_str("overlay"),
            Feature::Seccomp => f.write_str("seccomp filter"),
            Feature::SubordinateIds => f.write_str("subordinate ids"),
            Feature::Limit(limit) => write!(f, "{limit} limit"),
            #[cfg(feature = "landlock")]
            Feature::Landlock(abi) => write!(f, "Landlock ABI {}", abi.number()),
        }
    }
}

/// Whether a feature is there; if not, the error says why and what helps.
#[derive(Debug)]
pub struct Finding {
    feature: Feature,
    error: Option<Error>,
}

impl Finding {
    /// What was tried.
    pub fn feature(&self) -> Feature {
        self.feature
    }

    /// Whether it works.
    pub fn is_available(&self) -> bool {
        self.error.is_none()
    }

    /// Why it does not, with the remedy where one is known.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            None => write!(f, "yes  {}", self.feature),
            Some(error) => write!(f, "no   {}: {error}", self.feature),
        }
    }
}

/// What this host allows this program.
///
/// ```
/// use cofferdam::{Feature, Host, Limit};
/// let host = Host::probe();
/// for finding in host.findings() {
///     println!("{finding}");
/// }
/// if !host.allows(Feature::Limit(Limit::Memory)) {
///     println!("do without `memory_limit` here");
/// }
/// ```
#[derive(Debug)]
pub struct Host {
    findings: Vec<Finding>,
}

impl Host {
    /// Tries everything, with a dozen small containers and a few cgroups that leave nothing behind. It
    /// blocks for tens of milliseconds; what it found holds for this program, its user and its cgroup.
    pub fn probe() -> Self {
        let mut findings = vec![finding(Feature::Container, run(&Container::new()))];
        for kind in Namespaces::all() {
            findings.push(finding(Feature::Namespace(kind), run(&only(kind))));
        }
        findings.push(finding(Feature::Proc, run(&with_proc())));
        findings.push(finding(Feature::Overlay, run(&with_overlay())));
        findings.push(finding(Feature::Seccomp, host::seccomp_works()));
        let several = Container::new().id_mapping(IdMapping::Subordinate).user(1, 1);
        findings.push(finding(Feature::SubordinateIds, run(&several)));
        for (limit, container) in limits() {
            findings.push(finding(Feature::Limit(limit), host::rehearse_limits(&container.description)));
        }
        #[cfg(feature = "landlock")]
        findings.extend(
            LandlockAbi::all().map(|abi| finding(Feature::Landlock(abi), host::require_landlock(abi))),
        );
        Host { findings }
    }

    /// Everything that was tried, in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether a feature works; `false` for one that was not tried.
    pub fn allows(&self, feature: Feature) -> bool {
        self.findings.iter().any(|finding| finding.feature == feature && finding.is_available())
    }
}

fn finding(feature: Feature, result: Result<(), Error>) -> Finding {
    Finding { feature, error: result.err() }
}

/// Runs init through all steps but those of a workload.
fn run(container: &Container) -> Result<(), Error> {
    host::rehearse(&container.description)
}

/// One kind, with a user namespace where the caller needs one.
fn only(kind: Namespaces) -> Container {
    let user = if host::privileged() { Namespaces::empty() } else { Namespaces::USER };
    Container::new().namespaces(kind | user)
}

fn with_proc() -> Container {
    Container::new().dev(false).tmp_size(0)
}

fn with_overlay() -> Container {
    Container::new().rootfs_overlay(Overlay::new("/").lower("/usr")).dev(false).proc(crate::Proc::None)
}

/// The limits that some hosts do not have. Those of devices depend on the device.
fn limits() -> [(Limit, Container); 7] {
    let new = Container::new;
    [
        (Limit::Memory, new().memory_limit(64 << 20)),
        (Limit::Pids, new().pids_limit(64)),
        (Limit::Cpus, new().cpus(1.0)),
        (Limit::CpuWeight, new().cpu_weight(100)),
        (Limit::Cpuset, new().cpuset([0])),
        (Limit::IoWeight, new().io_weight(100)),
        (Limit::CpuTime, new().cpu_time_limit(Duration::from_secs(1))),
    ]
}
