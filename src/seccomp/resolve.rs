//! From a policy to what becomes of each number.

use std::collections::HashMap;
use std::mem;

use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::action::{Listener, SeccompAction};
use super::kernel::KernelVersion;
use super::policy::{Base, Seccomp};
use super::presets::Preset;
use super::program::Filter;
use super::rule::{self, SyscallRule};
use super::syscall::{Architecture, is_known};
use crate::config::Capabilities;
use crate::error::{Error, Result};

/// What the filter depends on beside the policy.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    pub architecture: Architecture,
    /// What the launcher's own last calls carry in the three argument registers that they do not use; `None` where
    /// no launcher makes any.
    pub pass: Option<[u64; 3]>,
    /// Whose filter it is.
    pub of: FilterOf,
    /// The bounding set of the container.
    #[cfg_attr(not(feature = "seccomp-json"), expect(dead_code, reason = "of interest to profiles only"))]
    pub capabilities: Capabilities,
    /// Unknown where uname(2) tells something else than a version.
    #[cfg_attr(not(feature = "seccomp-json"), expect(dead_code, reason = "of interest to profiles only"))]
    pub kernel: Option<KernelVersion>,
}

/// Whose filter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterOf {
    /// That of a container with its program.
    Container,
    /// That of a slot, whose process waits for its program under the filter.
    Slot,
    /// The same, and init hears of what it must replace after a run.
    WatchedSlot,
}

/// The calls that the launcher makes after the filter is in force, until the program runs. All use three
/// arguments at most.
const LAUNCHERS_CALLS: [&str; 5] = ["execve", "clock_gettime", "exit_group", "sendmsg", "setrlimit"];

/// Those that it makes beside them in a slot.
const CALLS_OF_A_SLOT: [&str; 5] = ["recvmsg", "dup3", "fcntl", "close", "chdir"];

/// The calls by which keys are used.
const KEY_CALLS: [&str; 3] = ["keyctl", "add_key", "request_key"];

/// What becomes of a call: the first rule that holds decides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    pub rules: Vec<(SeccompRule, SeccompAction)>,
    pub otherwise: SeccompAction,
}

impl Decision {
    pub fn always(action: SeccompAction) -> Self {
        Decision { rules: Vec::new(), otherwise: action }
    }

    /// What is allowed is let through by the listener, and nothing else is.
    fn note_what_is_allowed(&mut self) {
        let actions = self.rules.iter_mut().map(|(_, action)| action).chain([&mut self.otherwise]);
        for action in actions.filter(|action| **action == SeccompAction::Allow) {
            *action = SeccompAction::Notify;
        }
    }

    fn passes(&self, is_so: impl Fn(SeccompAction) -> bool) -> bool {
        self.actions().any(is_so)
    }

    fn actions(&self) -> impl Iterator<Item = SeccompAction> {
        self.rules.iter().map(|(_, action)| *action).chain([self.otherwise])
    }
}

/// What holds where no rule of the caller's does.
pub(super) struct Ground {
    /// Tried from the last to the first.
    pub rules: Vec<SyscallRule>,
    /// What becomes of calls that no rule names, and of numbers that no name is known for.
    pub known: SeccompAction,
    pub unknown: SeccompAction,
    /// The highest number of which that is true. Calls above it look as if they did not exist.
    pub last: u32,
}

impl Ground {
    fn preset(preset: Preset) -> Self {
        let (known, unknown) = (errno(libc::EPERM), errno(libc::ENOSYS));
        Ground { rules: preset.rules(), known, unknown, last: u32::MAX }
    }

    fn uniform(action: SeccompAction) -> Self {
        Ground { rules: Vec::new(), known: action, unknown: action, last: u32::MAX }
    }

    /// What becomes of a call that no rule names.
    fn otherwise(&self, number: u32) -> SeccompAction {
        if number > self.last { errno(libc::ENOSYS) } else { self.known }
    }
}

/// A policy, for one architecture.
pub(super) struct Resolved {
    pub architecture: Architecture,
    /// By number, ascending.
    pub calls: Vec<(u32, Decision)>,
    /// What becomes of all other numbers, up to the highest to which that applies; of those above it `ENOSYS`.
    pub unknown: SeccompAction,
    pub last: u32,
    pub listener: Listener,
    pub pass: Option<[u64; 3]>,
    /// Some call for keys may be carried out, if only with some arguments.
    pub may_use_keys: bool,
}

impl Seccomp {
    pub(super) fn compile(&self, circumstances: &Circumstances) -> Result<Filter> {
        self.resolve(circumstances)?.compile()
    }

    pub(super) fn resolve(&self, circumstances: &Circumstances) -> Result<Resolved> {
        let Circumstances { architecture, pass, .. } = *circumstances;
        let mut ground = match &self.base {
            Base::Preset(preset) => Ground::preset(*preset),
            Base::Uniform(action) => Ground::uniform(*action),
            Base::Unconfined => Ground::uniform(SeccompAction::Allow),
            #[cfg(feature = "seccomp-json")]
            Base::Oci(profile) => profile.ground(circumstances)?,
        };
        let mut rules = mem::take(&mut ground.rules);
        rules.extend(self.rules.iter().cloned());
        check(&rules, [ground.known, ground.unknown].into_iter().chain(self.denial))?;
        let of_call = by_call(&rules);
        let mut calls = Vec::new();
        for (name, number) in architecture.syscalls() {
            let indexes = of_call.get(name).map(Vec::as_slice).unwrap_or_default();
            let rules = indexes.iter().map(|index| &rules[*index]);
            calls.push((number, self.decide(name, rules, ground.otherwise(number))?));
        }
        calls.sort_by_key(|(number, _)| *number);
        let unknown = self.denied_by(ground.unknown);
        let listener = self.listener(calls.iter().map(|(_, decision)| decision), unknown);
        let key_calls = KEY_CALLS.map(|name| architecture.number_of(name));
        let of_keys = |(number, _): &&(u32, Decision)| key_calls.contains(&Some(*number));
        let may_use_keys = calls.iter().filter(of_keys).any(|(_, decision)| self.lets_pass(decision));
        let last = ground.last;
        let mut resolved = Resolved { architecture, calls, unknown, last, listener, pass, may_use_keys };
        if circumstances.of == FilterOf::WatchedSlot {
            resolved.watch()?;
        }
        if circumstances.of != FilterOf::Container {
            resolved.hide_the_clock_of_init()?;
        }
        resolved.let_the_launcher_finish(circumstances.of)?;
        Ok(resolved)
    }

    /// What becomes of one call; `rules` in the order in which they were added.
    fn decide<'a>(
        &self,
        name: &str,
        rules: impl DoubleEndedIterator<Item = &'a SyscallRule>,
        known: SeccompAction,
    ) -> Result<Decision> {
        let mut decision = Decision::always(self.denied_by(known));
        for rule in rules.rev() {
            let action = self.denied_by(rule.action);
            if rule.conditions.is_empty() {
                decision.otherwise = action;
                break;
            }
            decision.rules.push((rule::conditions(name, &rule.conditions)?, action));
        }
        // Conditions that change nothing only cost time.
        while decision.rules.last().is_some_and(|(_, action)| *action == decision.otherwise) {
            decision.rules.pop();
        }
        Ok(decision)
    }

    /// Whether a call may be carried out, if only with some arguments, or by a handler's leave.
    fn lets_pass(&self, decision: &Decision) -> bool {
        self.report_only || decision.passes(is_let_through)
    }

    fn denied_by(&self, action: SeccompAction) -> SeccompAction {
        match (action, self.denial) {
            (SeccompAction::Errno(libc::EPERM), Some(instead)) => instead,
            _ => action,
        }
    }

    fn listener<'a>(
        &self,
        decisions: impl Iterator<Item = &'a Decision>,
        unknown: SeccompAction,
    ) -> Listener {
        let actions: Vec<_> = decisions.flat_map(Decision::actions).chain([unknown]).collect();
        if self.report_only {
            Listener::Report
        } else if actions.contains(&SeccompAction::Notify) {
            Listener::Host
        } else if actions.contains(&SeccompAction::Kill) {
            Listener::Kill
        } else {
            Listener::None
        }
    }
}

/// The calls after which something may be left where nobody can see it: numbers of inodes and of IPC objects that
/// are gone again, counters of the network.
const WATCHED_CALLS: [&str; 6] = ["shmget", "semget", "msgget", "mq_open", "openat2", "socket"];

/// Those that take a clock that can be another process's.
const CLOCK_CALLS: [&str; 3] = ["clock_gettime", "clock_nanosleep", "timer_create"];

/// By which calls are made that no filter sees.
const UNSEEN_CALLS: &str = "io_uring_setup";

/// Those that make a file without a name, by flags, and which argument the flags are.
const OPENING_CALLS: [(&str, u8); 2] = [("open", 1), ("openat", 2)];

impl Resolved {
    /// Has init hear of what leaves no other trace. There is one listener for a process: where it is for something
    /// else, the conditions are too many, or calls may pass by the listener, nothing is watched.
    fn watch(&mut self) -> Result<()> {
        let number = |name| self.architecture.number_of(name);
        let opening = OPENING_CALLS.map(|(name, flags)| (number(name), flags));
        let watched = WATCHED_CALLS.map(number);
        let of_opening = |call: u32| opening.iter().find(|(known, _)| *known == Some(call));
        let has_conditions = self.calls.iter().any(|(call, decision)| {
            of_opening(*call).is_some() && *decision != Decision::always(SeccompAction::Allow)
        });
        let unseen = number(UNSEEN_CALLS);
        let passes_unseen = self.calls.iter().any(|(call, decision)| {
            let logged =
                watched.contains(&Some(*call)) && decision.passes(|action| action == SeccompAction::Log);
            logged || unseen == Some(*call) && decision.passes(is_let_through)
        });
        if self.listener != Listener::None || has_conditions || passes_unseen {
            return Ok(());
        }
        for (call, decision) in &mut self.calls {
            if watched.contains(&Some(*call)) {
                decision.note_what_is_allowed();
            }
            if let Some((_, flags)) = of_opening(*call) {
                decision.rules.push((has_flags(*flags, libc::O_TMPFILE)?, SeccompAction::Notify));
            }
        }
        self.listener = Listener::Watch;
        Ok(())
    }

    /// The CPU time of the init of a slot tells of earlier runs, and anybody may read it.
    fn hide_the_clock_of_init(&mut self) -> Result<()> {
        let calls = CLOCK_CALLS.map(|name| self.architecture.number_of(name));
        for (call, decision) in &mut self.calls {
            if calls.contains(&Some(*call)) && decision.passes(is_let_through) {
                decision.rules.insert(0, (is_the_clock_of_init()?, errno(libc::EINVAL)));
            }
        }
        Ok(())
    }

    /// The launcher's own calls, known by what they carry, are allowed first of all.
    fn let_the_launcher_finish(&mut self, of: FilterOf) -> Result<()> {
        let Some(pass) = self.pass else { return Ok(()) };
        let always = Decision::always(SeccompAction::Allow);
        let of_a_slot = CALLS_OF_A_SLOT.iter().filter(|_| of != FilterOf::Container);
        let own = LAUNCHERS_CALLS.iter().chain(of_a_slot);
        let own: Vec<_> = own.map(|name| self.architecture.number_of(name)).collect();
        for (number, decision) in &mut self.calls {
            if own.contains(&Some(*number)) && *decision != always {
                decision.rules.insert(0, (carries(pass)?, SeccompAction::Allow));
            }
        }
        Ok(())
    }
}

fn is_let_through(action: SeccompAction) -> bool {
    matches!(action, SeccompAction::Allow | SeccompAction::Log | SeccompAction::Notify)
}

/// The condition that an argument has all of some flags.
fn has_flags(argument: u8, flags: i32) -> Result<SeccompRule> {
    let flags = flags as u64;
    let equal = SeccompCmpOp::MaskedEq(flags);
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, equal, flags);
    let rule = condition.and_then(|condition| SeccompRule::new(vec![condition]));
    rule.map_err(|error| Error::invalid("seccomp", error.to_string()))
}

/// The condition that the first argument is one of the CPU clocks of process 1: clock_getcpuclockid(3).
fn is_the_clock_of_init() -> Result<SeccompRule> {
    let (kinds, clock) = (7u32, !1u32 << 3);
    let equal = SeccompCmpOp::MaskedEq(u64::from(!kinds));
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, equal, u64::from(clock));
    let rule = condition.and_then(|condition| SeccompRule::new(vec![condition]));
    rule.map_err(|error| Error::invalid("seccomp", error.to_string()))
}

/// The condition that a call is the launcher's.
fn carries(pass: [u64; 3]) -> Result<SeccompRule> {
    let equal =
        |(index, value)| SeccompCondition::new(index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value);
    let conditions = (3..).zip(pass).map(equal).collect::<Result<_, _>>();
    let rule = conditions.and_then(SeccompRule::new);
    rule.map_err(|error| Error::invalid("seccomp", error.to_string()))
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number)
}

/// The rules that concern a call, by index.
fn by_call(rules: &[SyscallRule]) -> HashMap<&str, Vec<usize>> {
    let mut of_call: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, rule) in rules.iter().enumerate() {
        for call in &rule.calls {
            of_call.entry(call.as_ref()).or_default().push(index);
        }
    }
    of_call
}

fn check(rules: &[SyscallRule], others: impl IntoIterator<Item = SeccompAction>) -> Result<()> {
    for rule in rules {
        if let Some(name) = rule.calls.iter().find(|name| !is_known(name)) {
            let error = Error::invalid("seccomp", format!("no system call is known by the name `{name}`"));
            return Err(error
                .with_remedy("names are those of the kernel, as in syscalls(2): `pread64`, `newfstatat`"));
        }
    }
    let actions = rules.iter().map(|rule| rule.action).chain(others);
    for action in actions {
        if let SeccompAction::Errno(number) = action {
            if !(0..=4095).contains(&number) {
                return Err(Error::invalid("seccomp", format!("{number} is no error number: 0 to 4095")));
            }
        }
    }
    Ok(())
}
