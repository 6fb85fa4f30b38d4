//! Starting a container: plan, resources, clone, plan over the socket, answer.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::cgroup::{self, Groups, Layout};
use super::channel::{self, Channel, Received, retry};
use super::child::{self, Child, Link, Template};
use super::launcher::launcher;
use super::stdio::Stream;
use super::sys::Attached;
use super::terms::Terms;
use super::{diagnose, facts, id_maps, sys};
use crate::config::mounts::BindSource;
use crate::config::namespaces::SourceKind;
use crate::config::stdio::{Stdio, StdioConfig};
use crate::config::{Description, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{self, IdMaps, Plan, Resource};
use crate::seccomp::Listener;
use crate::wire::{Command, Header, Record};

/// The steps of a run, in words.
pub(crate) fn explain(container: &Description) -> Result<String> {
    let (plan, layout) = prepare(container)?;
    let mut text = String::new();
    for group in &layout.groups {
        text += &group.explain();
    }
    Ok(text + &plan.explain())
}

/// The program that the policy of system calls becomes.
pub(crate) fn seccomp_program(container: &Description) -> Result<Option<Vec<u8>>> {
    container.seccomp.program(&plan::circumstances(container, facts::kernel(), None))
}

/// Starts the container. `input` and `output` count where the container does not say.
pub(crate) fn spawn(container: &Shared<Description>, input: Stdio, output: Stdio) -> Result<Child> {
    Prepared::new(container, &input, &output, false)?.start()
}

/// All that a start needs and that can fail without a process: a group prepares its members before it starts
/// the first.
pub(super) struct Prepared {
    container: Shared<Description>,
    pub plan: Plan,
    streams: [Stream; 3],
    groups: Groups,
    terms: Terms,
}

impl Prepared {
    /// `read` says that the library reads standard output or standard error in a way of its own.
    pub fn new(container: &Shared<Description>, input: &Stdio, output: &Stdio, read: bool) -> Result<Self> {
        let (plan, layout) = prepare(container)?;
        let streams = open_streams(&container.stdio, input, output)?;
        if !read {
            output_is_captured(container, &streams)?;
        }
        let terms = Terms::new(container, &layout);
        let groups = cgroup::create(&layout)?;
        Ok(Prepared { container: container.clone(), plan, streams, groups, terms })
    }

    /// Starts it, and gives up what the workload got.
    pub fn start(self) -> Result<Child> {
        let opened = self.open()?;
        let (starting, started) = bring_up(&self.plan, &opened)?;
        Ok(self.child(starting, started))
    }

    pub fn open(&self) -> Result<Opened> {
        Opened::open(&self.plan, Some(&self.streams), &self.groups)
    }

    /// The handle of the container that has started.
    pub fn child(self, starting: Starting, workload: Started) -> Child {
        let init_is_pid_1 = self.plan.init_is_pid_1();
        let link = Link::new(starting.channel, starting.pidfd, init_is_pid_1, self.groups);
        let workload_plan = Arc::new(self.plan.of_the_workload());
        let template = Template::new(&self.container, workload_plan);
        Child::new(link, workload, self.streams, self.terms, template)
    }
}

/// A limit of output holds where the library reads it.
pub(super) fn output_is_captured(container: &Description, streams: &[Stream; 3]) -> Result<()> {
    if container.limits.output.is_none() || streams[1..].iter().any(|stream| stream.ours.is_some()) {
        return Ok(());
    }
    let error = Error::invalid("limits", "a limit of output where neither stream is captured");
    Err(error.with_remedy(
        "make standard output or standard error `piped`, connect it with a tee, or limit files with \
         `file_size_limit`",
    ))
}

pub(super) fn prepare(container: &Description) -> Result<(Plan, Layout)> {
    plan::validate(container)?;
    let layout = cgroup::plan(&container.limits)?;
    let facts = facts::gather(container, &layout)?;
    let plan = plan::build(container, &facts)?;
    Ok((plan, layout))
}

/// Carries out the plan up to the workload, which is left out: what the probe tries.
pub(crate) fn rehearse(container: &Description) -> Result<()> {
    let (mut plan, _) = prepare(&with_a_name(container))?;
    let workload = plan.steps.iter().position(|step| matches!(step, plan::Step::StartWorkload { .. }));
    let of_the_workload = plan.steps.split_off(workload.unwrap_or_default());
    // Its own namespaces can be made by init as well.
    plan.steps.extend(of_the_workload.into_iter().filter(|step| matches!(step, plan::Step::Unshare { .. })));
    let null = Stdio::null();
    let streams = open_streams(&StdioConfig::default(), &null, &null)?;
    let opened = Opened::open(&plan, Some(&streams), &Groups::default())?;
    let starting = clone_init(&plan)?;
    let result = starting.set_up(&plan, &opened).map(drop);
    starting.abandon(plan.init_is_pid_1());
    result
}

/// Creates the groups that limits need, and removes them.
pub(crate) fn rehearse_limits(container: &Description) -> Result<()> {
    let (_, layout) = prepare(&with_a_name(container))?;
    cgroup::create(&layout).map(drop)
}

/// A description for which a plan can be made, whatever program it will have.
pub(super) fn with_a_name(container: &Description) -> Description {
    let mut container = container.clone();
    container.program.name = Some("rehearsal".into());
    container
}

pub(super) fn open_streams(stdio: &StdioConfig, input: &Stdio, output: &Stdio) -> Result<[Stream; 3]> {
    let chosen = &stdio.streams;
    Ok([
        Stream::open(0, chosen[0].as_ref().unwrap_or(input))?,
        Stream::open(1, chosen[1].as_ref().unwrap_or(output))?,
        Stream::open(2, chosen[2].as_ref().unwrap_or(output))?,
    ])
}

/// A container being started: what undoes it when something fails.
pub(super) struct Starting {
    pub channel: Channel,
    pid: libc::pid_t,
    pub pidfd: Arc<OwnedFd>,
}

/// Starts init and follows the set-up to its end.
pub(super) fn bring_up(plan: &Plan, opened: &Opened) -> Result<(Starting, Started)> {
    let starting = clone_init(plan)?;
    match starting.set_up(plan, opened).and_then(|started| complete(plan, started)) {
        Ok(started) => Ok((starting, started)),
        Err(error) => {
            starting.abandon(plan.init_is_pid_1());
            Err(error)
        }
    }
}

/// The descriptors to send, in the plan's order.
pub(super) struct Opened {
    pub numbers: Vec<RawFd>,
    _owned: Vec<OwnedFd>,
    _shared: Vec<Arc<OwnedFd>>,
}

impl Opened {
    /// Opens all that the plan needs; a plan without standard streams needs none.
    pub fn open(plan: &Plan, streams: Option<&[Stream; 3]>, groups: &Groups) -> Result<Self> {
        let mut opened = Opened { numbers: Vec::new(), _owned: Vec::new(), _shared: Vec::new() };
        for resource in &plan.resources {
            match resource {
                Resource::Nothing => {
                    return Err(Error::errno("host", "a descriptor of the past", libc::EBADF));
                }
                Resource::Stream(number) => {
                    let stream = streams.map_or(-1, |streams| streams[*number].number());
                    opened.numbers.push(stream);
                }
                Resource::Given(fd) | Resource::Namespace(SourceKind::Fd(fd)) => opened.share(fd),
                Resource::Namespace(SourceKind::Path(path)) => opened.own(open_namespace(path)?),
                Resource::Tree(source) => opened.own(open_tree(source)?),
                Resource::Content(content) => opened.own(
                    sys::file_of_memory(content)
                        .map_err(|error| Error::io("file", "a file of memory", &error))?,
                ),
                Resource::CgroupProcs(..)
                | Resource::CgroupDirectory(..)
                | Resource::CgroupKill(..)
                | Resource::CgroupFile(..)
                | Resource::CgroupCounter(..) => opened.own(open_group(resource, groups)?),
                #[cfg(feature = "landlock")]
                Resource::Landlock(policy) => opened.own(super::landlock::ruleset(policy)?),
            }
        }
        Ok(opened)
    }

    fn own(&mut self, fd: OwnedFd) {
        self.numbers.push(fd.as_raw_fd());
        self._owned.push(fd);
    }

    fn share(&mut self, fd: &Arc<OwnedFd>) {
        self.numbers.push(fd.as_raw_fd());
        self._shared.push(fd.clone());
    }
}

/// Opens what a resource means of the groups.
pub(super) fn open_group(resource: &Resource, groups: &Groups) -> Result<OwnedFd> {
    match resource {
        Resource::CgroupProcs(index) => groups.open_procs(*index),
        Resource::CgroupDirectory(index) => groups.open_directory(*index),
        Resource::CgroupKill(index) => groups.open_kill(*index),
        Resource::CgroupFile(index, name) => groups.open_file(*index, name),
        Resource::CgroupCounter(index, name) => groups.open_counter(*index, name),
        _ => Err(Error::errno("cgroup", "a file that is none of a group", libc::EINVAL)),
    }
}

fn open_namespace(path: &Path) -> Result<OwnedFd> {
    let file = File::open(path);
    let file =
        file.map_err(|e| Error::io("join-namespace", format!("the namespace {}", path.display()), &e))?;
    Ok(file.into())
}

fn open_tree(source: &BindSource) -> Result<OwnedFd> {
    let (tree, what) = match source {
        BindSource::Path(path) => (sys::clone_tree(path), path.display().to_string()),
        BindSource::Fd(fd) => (sys::clone_tree_of(fd.as_fd()), format!("descriptor {}", fd.as_raw_fd())),
    };
    tree.map_err(|error| Error::io("bind", format!("a detached mount of {what}"), &error))
}

pub(super) fn clone_init(plan: &Plan) -> Result<Starting> {
    let (channel, theirs) = channel::pair().map_err(|error| Error::io("host", "a socket pair", &error))?;
    let host = sys::own_pidfd().map_err(|error| Error::io("host", "a pidfd of this process", &error))?;
    let launcher = launcher()?;
    let inherited =
        sys::Inherited { launcher: launcher.as_fd(), control: theirs.as_fd(), host: host.as_fd() };
    let launched = sys::clone_launcher(plan.clone_flags, plan.init_capabilities, &inherited)
        .map_err(|error| diagnose::clone_failed(plan, &error))?;
    let starting = Starting { channel, pid: launched.pid, pidfd: Arc::new(sys::set_aside(launched.pidfd)) };
    match launched.exec_error {
        None => Ok(starting),
        Some(errno) => {
            child::reap(starting.pidfd.as_fd());
            let error = Error::errno("launcher", "cannot start the launcher", errno);
            Err(match errno {
                libc::EMFILE | libc::EINVAL => {
                    error.with_kind(ErrorKind::ResourceExhausted).with_remedy(diagnose::OPEN_FILES)
                }
                libc::ENOMEM => error.with_remedy(diagnose::MEMORY),
                libc::ENOSYS => error.with_remedy("a seccomp filter on this program forbids close_range(2)"),
                _ => {
                    error.with_remedy("a seccomp filter or a security module forbids executing memory files")
                }
            })
        }
    }
}

impl Starting {
    /// Sends the plan and follows the set-up to its end.
    fn set_up(&self, plan: &Plan, opened: &Opened) -> Result<Option<Started>> {
        self.write_maps_of_the_clone(plan)?;
        let body = plan.encode();
        let header = header(plan, &body, &opened.numbers);
        was_sent(self.channel.send_plan(self.pidfd.as_fd(), &header, &opened.numbers, &body))?;
        self.follow(plan)
    }

    /// Returns the workload, if the plan has one.
    fn follow(&self, plan: &Plan) -> Result<Option<Started>> {
        // A workload in the same PID namespace can stop init before that has said that all is well.
        let patience = if plan.init_is_pid_1() { PollTimeout::NONE } else { child::NUDGE_INTERVAL.into() };
        loop {
            let received = self.channel.receive(self.pidfd.as_fd(), patience).map_err(unheard)?;
            if let ControlFlow::Break(started) = self.answer(received, plan)? {
                return Ok(started);
            }
        }
    }

    /// Does what follows from what came of init; breaks off with the workload, if the plan has one.
    pub fn answer(&self, received: Received, plan: &Plan) -> Result<ControlFlow<Option<Started>>> {
        match received {
            Received::Record(Record::Started { vouched } | Record::Ready { vouched }, message) => {
                return started(message, vouched).map(ControlFlow::Break);
            }
            Received::Record(Record::NeedIdMaps, _) => self.write_maps_on_request(plan)?,
            Received::Record(Record::SetupFailed { step, errno, item }, _) => {
                return Err(diagnose::setup_failed(plan, step, errno, item));
            }
            Received::Record(..) => {
                return Err(Error::errno("launcher", "an unexpected answer", libc::EPROTO));
            }
            Received::End => return Err(diagnose::vanished()),
            Received::Nothing => child::nudge(self.pidfd.as_fd()),
        }
        Ok(ControlFlow::Continue(()))
    }

    pub fn write_maps_of_the_clone(&self, plan: &Plan) -> Result<()> {
        match &plan.id_maps {
            Some(maps) if plan.clone_flags & libc::CLONE_NEWUSER as u32 != 0 => self.write_maps(maps),
            _ => Ok(()),
        }
    }

    /// The files of a process that is ending are root's, so that its end would look like a lack of permission.
    fn write_maps(&self, maps: &IdMaps) -> Result<()> {
        const END: u8 = 50;
        id_maps::write(maps, self.pid).map_err(|error| {
            let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
            let has_ended = retry(|| poll(&mut ended, PollTimeout::from(END))).is_ok_and(|count| count > 0);
            if has_ended { diagnose::vanished() } else { error }
        })
    }

    fn write_maps_on_request(&self, plan: &Plan) -> Result<()> {
        if let Some(maps) = &plan.id_maps {
            self.write_maps(maps)?;
        }
        self.channel
            .send(Command::IdMapsWritten)
            .map_err(|error| Error::io("id-maps", "cannot tell the launcher", &error))
    }

    /// Ends what was begun, and waits until nothing of it is left.
    pub fn abandon(self, init_is_pid_1: bool) {
        self.tell_to_end(init_is_pid_1);
        child::reap(self.pidfd.as_fd());
    }

    /// Ends what was begun, without waiting for it.
    pub fn tell_to_end(&self, init_is_pid_1: bool) {
        self.channel.shut_down();
        if init_is_pid_1 {
            let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
        }
        child::nudge(self.pidfd.as_fd());
    }
}

/// The header that goes before the steps of a plan.
pub(super) fn header(plan: &Plan, body: &[u8], fds: &[RawFd]) -> Header {
    Header {
        body: body.len() as u64,
        scratch: plan.scratch as u64,
        fds: fds.len() as u64,
        wall_limit: plan.wall_limit,
        cpu_limit: plan.cpu_limit,
        cpus: plan.cpus,
        meter: u64::from(plan.meter),
        killer: u64::from(plan.killer),
        clock_offset: plan.clock_offset,
        listener: plan.listener.wire(),
        announce: 0,
    }
}

/// Whether the plan is on its way. A launcher that ended meanwhile says why in its answer, or by its end; one that
/// got nothing would wait for ever.
pub(super) fn was_sent(sent: io::Result<()>) -> Result<()> {
    sent.or_else(|error| match error.raw_os_error() {
        Some(libc::EPIPE | libc::ECONNRESET) => Ok(()),
        Some(libc::ETOOMANYREFS) => {
            let error = Error::io("host", "cannot send the plan", &error).with_kind(ErrorKind::ResourceExhausted);
            Err(error.with_remedy(
                "the user has more descriptors under way than its limit of open files allows: raise that, or try \
                 again",
            ))
        }
        _ => Err(Error::io("host", "cannot send the plan", &error)),
    })
}

pub(super) fn unheard(error: io::Error) -> Error {
    Error::io("host", "cannot hear from init", &error)
}

/// What init announced must be what the plan asks for.
pub(super) fn complete(plan: &Plan, started: Option<Started>) -> Result<Started> {
    started
        .filter(|started| started.listener.is_some() == (plan.listener == Listener::Host))
        .ok_or_else(diagnose::no_room_for_the_workloads_pidfd)
}

/// The workload as init announced it.
#[derive(Debug)]
pub(super) struct Started {
    pub pidfd: OwnedFd,
    pub pid: u32,
    /// The listener of its filter, if the host is to have it.
    pub listener: Option<OwnedFd>,
}

/// `None` for a plan without a workload.
pub(super) fn started(message: Attached, vouched: bool) -> Result<Option<Started>> {
    let Some(pidfd) = message.fd else { return Ok(None) };
    let pid = match message.pid {
        Some(pid) if vouched => pid,
        _ => {
            let what = "the process id of the workload (in /proc)";
            pid_of(&pidfd).map_err(|error| Error::io("host", what, &error))?
        }
    };
    Ok(Some(Started { pidfd: sys::set_aside(pidfd), pid, listener: message.listener }))
}

/// The number of the process that a pidfd refers to; 0 when it has been reaped and has none any more.
fn pid_of(pidfd: &OwnedFd) -> io::Result<u32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    Ok(pid.unwrap_or(0))
}
