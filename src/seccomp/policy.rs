//! The policy: what a container's workload may ask of the kernel.

use std::sync::{Arc, OnceLock};

use super::action::SeccompAction;
use super::group::SyscallGroup;
#[cfg(feature = "seccomp-json")]
use super::oci::Profile;
use super::presets::{self, Preset};
use super::program::Filter;
use super::resolve::Circumstances;
use super::rule::SyscallRule;
use crate::error::Result;

/// A policy of system calls, from which a seccomp filter is made: see seccomp(2).
///
/// The default one lets ordinary programs work (C, threads, Python, Node, Java, Go, databases, compilers) and
/// denies what a contained program has no use for. [`SyscallGroup`] lists both, with the reasons.
///
/// - A denied call that is known fails with `EPERM`, one that is unknown with `ENOSYS`, as on a kernel that lacks
///   it; so does clone3(2), whose arguments no filter can see, and C libraries then use clone(2).
/// - socket(2) knows the families unix, inet, inet6 and netlink, of the latter only the routes that
///   getifaddrs(3) asks for; others fail with `EAFNOSUPPORT` or `EPROTONOSUPPORT`. Of ioctl(2) what types into a
///   terminal or changes how it works (`TIOCSTI`, `TIOCLINUX`, `TIOCSETD`) is denied, of clone(2) every namespace,
///   of personality(2) all but harmless ones.
/// - ptrace(2) is denied, so debuggers do not work, nor LeakSanitizer, which is a part of `-fsanitize=address`: allow
///   `ptrace`, or set `ASAN_OPTIONS=detect_leaks=0`. So are resource limits of other processes, prlimit(2) with a
///   process id that is not 0; leases of files, which hold up whoever else opens them; and protocols of inet and
///   inet6 other than the usual ones.
/// - A call through another ABI, as that of 32-bit programs on x86_64, ends the process by `SIGSYS`; those of x32
///   fail with `ENOSYS`.
///
/// Rules are added by the methods. Where several rules concern a call, the one added last is tried first, and the
/// first whose conditions hold decides. Names of calls that this library does not know are an error when the
/// container is started; what only another architecture has is passed over.
///
/// A policy is compiled once for a [`Container`](crate::Container), not in every run. On kernels before 5.16 a
/// filter turns on mitigations against Spectre that can slow programs down.
///
/// ```
/// use cofferdam::{Cause, Container, Seccomp};
/// let judge = Seccomp::compute_only().kill(["socket"]);
/// let container = Container::new().command("perl").args(["-MSocket", "-e", "socket(S, AF_INET, SOCK_STREAM, 0)"]);
/// let report = container.seccomp(judge).output()?.report;
/// assert_eq!(report.cause(), Cause::Seccomp);
/// assert_eq!(report.violation().and_then(|call| call.name()), Some("socket"));
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a policy does nothing until a container has it"]
pub struct Seccomp {
    pub(super) base: Base,
    /// Tried from the last to the first.
    pub(super) rules: Vec<SyscallRule>,
    pub(super) denial: Option<SeccompAction>,
    pub(super) report_only: bool,
}

/// What holds where no rule of the caller's does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Unconfined,
    Preset(Preset),
    /// One action for every call.
    Uniform(SeccompAction),
    /// A profile of Docker or of the OCI runtime specification.
    #[cfg(feature = "seccomp-json")]
    Oci(Arc<Profile>),
}

impl Default for Seccomp {
    /// What a container has without a call of [`Container::seccomp`](crate::Container::seccomp).
    fn default() -> Self {
        Seccomp::based_on(Base::Preset(Preset::Default))
    }
}

/// # Policies to start from
impl Seccomp {
    pub(super) fn based_on(base: Base) -> Self {
        Seccomp { base, rules: Vec::new(), denial: None, report_only: false }
    }

    /// The default without any socket but socketpair(2): for programs that talk to nobody, such as compilers.
    pub fn without_sockets() -> Self {
        Seccomp::based_on(Base::Preset(Preset::WithoutSockets))
    }

    /// For programs that compute, as judges run them: files, memory, threads and time. Beyond what
    /// [`default`](Self::default) denies there are no sockets but socketpair(2), no new processes, no further program in place of
    /// this one, no System V IPC, message queues, asynchronous I/O, watches of files, priorities, or changes of
    /// ids.
    pub fn compute_only() -> Self {
        Seccomp::based_on(Base::Preset(Preset::ComputeOnly))
    }

    /// A policy of one's own: this becomes of every call for which no rule is added. Even one that denies
    /// everything lets the program start: the filter knows the launcher's own last calls by a secret.
    ///
    /// ```
    /// use cofferdam::{Container, Seccomp, SeccompAction};
    /// let open = Seccomp::new(SeccompAction::Allow).deny(["mkdir"]);
    /// let output = Container::new().command("mkdir").arg("/tmp/x").seccomp(open).output()?;
    /// assert_eq!(output.status.code(), Some(1));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn new(otherwise: SeccompAction) -> Self {
        Seccomp::based_on(Base::Uniform(otherwise))
    }

    /// No filter at all: a loosening. Every system call that an unprivileged process may make is open, further
    /// namespaces among them. With rules added it is as [`new`](Self::new) of [`SeccompAction::Allow`].
    pub fn unconfined() -> Self {
        Seccomp::based_on(Base::Unconfined)
    }
}

/// # Rules
impl Seccomp {
    /// Allows calls, by name, whatever their arguments: with `clone` goes every namespace, with `ioctl` typing into
    /// the terminal, with `socket` every family, where [`allow_group`](Self::allow_group) keeps these conditions.
    pub fn allow<S: Into<String>>(self, calls: impl IntoIterator<Item = S>) -> Self {
        self.rule(SyscallRule::new(calls, SeccompAction::Allow))
    }

    /// Lets calls fail with `EPERM`.
    pub fn deny<S: Into<String>>(self, calls: impl IntoIterator<Item = S>) -> Self {
        self.errno(calls, libc::EPERM)
    }

    /// Lets calls fail with this error number, 0 to 4095.
    pub fn errno<S: Into<String>>(self, calls: impl IntoIterator<Item = S>, errno: i32) -> Self {
        self.rule(SyscallRule::new(calls, SeccompAction::Errno(errno)))
    }

    /// Ends the container at one of these calls: [`SeccompAction::Kill`].
    pub fn kill<S: Into<String>>(self, calls: impl IntoIterator<Item = S>) -> Self {
        self.rule(SyscallRule::new(calls, SeccompAction::Kill))
    }

    /// Lets calls raise `SIGSYS`: [`SeccompAction::Trap`].
    pub fn trap<S: Into<String>>(self, calls: impl IntoIterator<Item = S>) -> Self {
        self.rule(SyscallRule::new(calls, SeccompAction::Trap))
    }

    /// Leaves calls to a handler in the host program: [`SeccompAction::Notify`]. It takes [`spawn`]; with
    /// [`output`] and [`status`] nobody can be the handler, and such calls fail with `ENOSYS`.
    ///
    /// [`spawn`]: crate::Container::spawn
    /// [`output`]: crate::Container::output
    /// [`status`]: crate::Container::status
    pub fn notify<S: Into<String>>(self, calls: impl IntoIterator<Item = S>) -> Self {
        self.rule(SyscallRule::new(calls, SeccompAction::Notify))
    }

    /// Allows a group. Of one that is allowed by default the calls are allowed as far as they are then: sockets of
    /// some families, processes without new namespaces. One that is denied by default is allowed whatever the
    /// arguments: a loosening. With [`SyscallGroup::Namespaces`] goes clone(2), by which processes are made in new
    /// ones.
    pub fn allow_group(mut self, group: SyscallGroup) -> Self {
        self.rules.extend(presets::allow_group(group));
        self
    }

    /// Lets all calls of a group fail with `EPERM`. With [`SyscallGroup::Namespaces`] goes clone(2) as far as it makes
    /// some, and clone3(2), with `ENOSYS`.
    pub fn deny_group(mut self, group: SyscallGroup) -> Self {
        self.rules.extend(presets::deny_group(group));
        self
    }

    /// Adds a rule, which may look at arguments.
    pub fn rule(mut self, rule: SyscallRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// What becomes of calls that would fail with `EPERM`, by whatever rule: with [`SeccompAction::Kill`] the first
    /// of them ends the container. Interpreters try a thing or two that they do not need, and go on without; under
    /// [`compute_only`](Self::compute_only) `ls -l` asks for a socket. Other errors stay what they are: `ENOSYS`, and
    /// those of socket(2) for families and protocols.
    pub fn deny_by(mut self, action: SeccompAction) -> Self {
        self.denial = Some(action);
        self
    }

    /// Denies nothing: a loosening, for the time in which a policy is made. Calls that would not be allowed are
    /// carried out and listed in the [`Report`](crate::Report::would_be_denied), those of
    /// [`SeccompAction::Notify`] too: there is no notifier then. What the policy answers by `ENOSYS`, as it does
    /// clone3(2) and calls that it does not know, keeps that answer and is not listed: programs do without. Each call
    /// that is listed waits for init.
    ///
    /// ```
    /// use cofferdam::{Container, Seccomp, Syscall};
    /// let trial = Seccomp::compute_only().report_only();
    /// let report = Container::new().command("sh").args(["-c", "sleep 0 & wait"]).seccomp(trial).output()?.report;
    /// assert!(report.success());
    /// assert!(report.would_be_denied().contains(&Syscall::named("execve").expect("a call")));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn report_only(mut self) -> Self {
        self.report_only = true;
        self
    }
}

/// A container's policy, and the filter once it is compiled: for the container and its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeccompConfig {
    policy: Seccomp,
    filters: Arc<Filters>,
}

/// One for each of [`FilterOf`].
type Filters = [OnceLock<Option<Filter>>; 3];

impl SeccompConfig {
    pub fn new(policy: Seccomp) -> Self {
        SeccompConfig { policy, filters: Arc::default() }
    }

    /// Forgets the filter: what it depends on has changed.
    pub fn forget(&mut self) {
        self.filters = Arc::default();
    }

    /// Whether the policy has a filter.
    pub fn is_confined(&self) -> bool {
        let Seccomp { base, rules, .. } = &self.policy;
        *base != Base::Unconfined || !rules.is_empty()
    }

    /// The program alone, as nobody's launcher needs it.
    pub fn program(&self, circumstances: &Circumstances) -> Result<Option<Vec<u8>>> {
        Ok(self.compile(circumstances)?.map(|filter| filter.program))
    }

    /// The filter, compiled the first time; `None` where there is to be none.
    pub fn filter(&self, circumstances: &Circumstances) -> Result<Option<&Filter>> {
        let filters = if self.policy == Seccomp::default() { default_filters() } else { &*self.filters };
        let compiled = &filters[circumstances.of as usize];
        if let Some(filter) = compiled.get() {
            return Ok(filter.as_ref());
        }
        // Compiled outside the cell: a thread that forks meanwhile must not find it half filled.
        let filter = self.compile(circumstances)?;
        Ok(compiled.get_or_init(|| filter).as_ref())
    }

    fn compile(&self, circumstances: &Circumstances) -> Result<Option<Filter>> {
        self.is_confined().then(|| self.policy.compile(circumstances)).transpose()
    }
}

/// Those that most containers have.
fn default_filters() -> &'static Filters {
    static FILTERS: Filters = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    &FILTERS
}
