//! What a check is: an act, what the container must answer to it, and the control that shows that the act
//! can succeed.

use std::any::Any;
use std::fmt;
use std::os::fd::OwnedFd;

use cofferdam::Container;

use crate::sys::Outcome;

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It succeeded: the way is open.
    Done,
    /// The kernel refused it, with this errno.
    Refused(i32),
    /// It was no error, but nothing of what was sought was there.
    Hidden,
    /// The process was ended by this signal.
    Killed(i32),
    /// This machine has no such thing, named here.
    Lacks(String),
    /// The act could not be tried, or went wrong in a way of its own.
    Broken(String),
}

impl Answer {
    /// Done where the thing sought was seen.
    pub fn seen(seen: bool) -> Self {
        if seen { Answer::Done } else { Answer::Hidden }
    }

    /// Done also where the kernel went past all checks of permission, to complain of something else.
    pub fn reached(outcome: Outcome, complaints: &[i32]) -> Self {
        match outcome {
            Err(errno) if complaints.contains(&errno) => Answer::Done,
            outcome => outcome.into(),
        }
    }

    /// As a line that [`Answer::read`] reads.
    pub fn write(&self) -> String {
        match self {
            Answer::Done => "done".into(),
            Answer::Refused(errno) => format!("refused {errno}"),
            Answer::Hidden => "hidden".into(),
            Answer::Killed(signal) => format!("killed {signal}"),
            Answer::Lacks(what) => format!("lacks {what}"),
            Answer::Broken(why) => format!("broken {}", why.replace('\n', " ")),
        }
    }

    /// Reads a line that [`Answer::write`] wrote.
    pub fn read(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match word {
            "done" => Answer::Done,
            "refused" => Answer::Refused(rest.parse().ok()?),
            "hidden" => Answer::Hidden,
            "killed" => Answer::Killed(rest.parse().ok()?),
            "lacks" => Answer::Lacks(rest.into()),
            "broken" => Answer::Broken(rest.into()),
            _ => return None,
        })
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(_) => Answer::Done,
            Err(errno) => Answer::Refused(errno),
        }
    }
}

/// So that an act can use `?` on system calls that lead to the one it is about.
impl From<Result<Answer, i32>> for Answer {
    fn from(result: Result<Answer, i32>) -> Self {
        result.unwrap_or_else(Answer::Refused)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Refused(errno) => {
                write!(f, "refused: {}", std::io::Error::from_raw_os_error(*errno))
            }
            answer => f.write_str(&answer.write()),
        }
    }
}

/// What the container must answer.
#[derive(Clone, Copy, Debug)]
pub enum Must {
    /// Refused, with one of these errnos.
    Refused(&'static [i32]),
    /// No error, but nothing of it to be seen.
    Hidden,
    /// Hidden, or refused with one of these.
    HiddenOr(&'static [i32]),
    /// Ended by this signal.
    Killed(i32),
    /// A way that is known to be open, for this reason; when it is closed the check has to say so.
    Open(&'static str),
    /// Allowed: what a workload needs must not be lost. The control is a container without it.
    Done,
}

/// Where an act must succeed, so that a check that cannot fail shows up.
#[derive(Clone, Copy)]
pub enum Control {
    /// Outside, by the user who runs the tests.
    Outside,
    /// Outside, as root of a new user namespace with mounts of its own.
    OwnNamespaces,
    /// In a container that is loosened for it, and has no filter of system calls.
    Loosened(fn(Container) -> Container),
    /// In a container that is tightened, where what [`Must::Done`] allows must not succeed.
    Tightened(fn(Container) -> Container),
    /// An ordinary user has no place where it could succeed, for this reason: the check is root's.
    None(&'static str),
}

/// What an act is made by.
#[derive(Clone, Copy)]
pub enum Act {
    /// The prober, at the place in question. It gets the arguments of the scene.
    Probe(fn(&[String]) -> Answer),
    /// This program outside, with containers that the profile makes what they are.
    Orchestrated(fn(&Place) -> Answer),
}

/// For whom a scene is set, or where an orchestrated act takes place.
pub enum Place {
    /// In the container, made by the profile.
    Inside(fn(Container) -> Container),
    /// At the place of the control.
    Control,
}

impl Place {
    pub fn is_control(&self) -> bool {
        matches!(self, Place::Control)
    }

    /// A container as the profile has it; that of the control has no filter.
    pub fn container(&self) -> Container {
        match self {
            Place::Inside(profile) => profile(Container::new()),
            Place::Control => crate::profiles::unfiltered(Container::new()),
        }
    }
}

/// What stands ready on the host while an act is tried.
#[derive(Default)]
pub struct Scene {
    /// For the prober.
    pub arguments: Vec<String>,
    /// The prober's standard input.
    pub stdin: Option<OwnedFd>,
    /// What the container needs for it.
    pub containers: Vec<Box<dyn Fn(Container) -> Container>>,
    /// Whether the act, which itself succeeded, has had its effect on the host.
    pub effect: Option<Box<dyn Fn() -> bool>>,
    /// Removed in the end.
    kept: Vec<Box<dyn Any>>,
}

impl Scene {
    pub fn new() -> Self {
        Scene::default()
    }

    /// Adds an argument for the prober.
    pub fn arg(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// Gives the prober its standard input.
    pub fn stdin(mut self, stdin: OwnedFd) -> Self {
        self.stdin = Some(stdin);
        self
    }

    /// Keeps something until the act is over.
    pub fn keep(mut self, thing: impl Any) -> Self {
        self.kept.push(Box::new(thing));
        self
    }

    /// Changes the container.
    pub fn container(mut self, change: impl Fn(Container) -> Container + 'static) -> Self {
        self.containers.push(Box::new(change));
        self
    }

    /// Judges the act by what it has done to the host.
    pub fn effect(mut self, has_happened: impl Fn() -> bool + 'static) -> Self {
        self.effect = Some(Box::new(has_happened));
        self
    }
}

/// A check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its file.
    pub class: &'static str,
    pub name: &'static str,
    pub act: Act,
    /// Sets the scene, or names what the machine lacks for it.
    pub scene: fn(&Place) -> Result<Scene, String>,
    /// The container that it is about, if not the default one.
    pub with: fn(Container) -> Container,
    pub must: Must,
    pub as_root: Control,
    pub as_user: Control,
    /// What the machine lacks when the control is refused with this errno.
    pub lacking: &'static [(i32, &'static str)],
    /// It needs further processes inside.
    pub forks: bool,
    /// Only the filter of system calls stands in the way.
    pub by_filter: bool,
    /// The prober is a file of the container's own, and no bind.
    pub without_binds: bool,
}

impl Check {
    /// An act of the prober, which must be refused with EPERM, and succeeds outside.
    pub const fn new(name: &'static str, act: fn(&[String]) -> Answer) -> Self {
        Self::of(name, Act::Probe(act))
    }

    /// An act that is made up outside.
    pub const fn orchestrated(name: &'static str, act: fn(&Place) -> Answer) -> Self {
        Self::of(name, Act::Orchestrated(act))
    }

    const fn of(name: &'static str, act: Act) -> Self {
        Check {
            class: "",
            name,
            act,
            scene: |_| Ok(Scene::new()),
            with: |container| container,
            must: Must::Refused(&[libc::EPERM]),
            as_root: Control::Outside,
            as_user: Control::Outside,
            lacking: &[],
            forks: false,
            by_filter: false,
            without_binds: false,
        }
    }

    pub const fn scene(mut self, scene: fn(&Place) -> Result<Scene, String>) -> Self {
        self.scene = scene;
        self
    }

    pub const fn with(mut self, with: fn(Container) -> Container) -> Self {
        self.with = with;
        self
    }

    pub const fn refused(mut self, errnos: &'static [i32]) -> Self {
        self.must = Must::Refused(errnos);
        self
    }

    pub const fn hidden(mut self) -> Self {
        self.must = Must::Hidden;
        self
    }

    pub const fn must(mut self, must: Must) -> Self {
        self.must = must;
        self
    }

    pub const fn control(mut self, control: Control) -> Self {
        self.as_root = control;
        self.as_user = control;
        self
    }

    pub const fn as_user(mut self, control: Control) -> Self {
        self.as_user = control;
        self
    }

    /// Only root can show that it succeeds elsewhere, for this reason.
    pub const fn needs_root(self, reason: &'static str) -> Self {
        self.as_user(Control::None(reason))
    }

    pub const fn lacking(mut self, lacking: &'static [(i32, &'static str)]) -> Self {
        self.lacking = lacking;
        self
    }

    pub const fn forks(mut self) -> Self {
        self.forks = true;
        self
    }

    pub const fn by_filter(mut self) -> Self {
        self.by_filter = true;
        self
    }

    pub const fn without_binds(mut self) -> Self {
        self.without_binds = true;
        self
    }

    /// As the output and the arguments have it.
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.class, self.name)
    }

    pub fn own_control(&self) -> Control {
        if is_root() { self.as_root } else { self.as_user }
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
