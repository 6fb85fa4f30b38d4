//! The host's side of a slot: a container that runs one command after another.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::berth::Vacated;
use super::cgroup::{self, Groups, Layout};
use super::channel::Channel;
use super::child::{Link, lost};
use super::spawn::{Opened, Started, Starting, bring_up, header, open_group, started, with_a_name};
use super::stdio::Stream;
use super::{diagnose, facts};
use crate::config::Description;
use crate::error::{Error, Result};
use crate::plan::{self, Plan, Resource, Serving, SlotPlan};
use crate::wire::{Command, Record, spoiled};

/// A container between two runs.
#[derive(Debug)]
pub(super) struct Slot {
    pub link: Link,
    runs: Channel,
    pub terms: SlotTerms,
    /// The process that becomes the next workload, once it is known to wait.
    waiting: Option<Started>,
    /// Since when it is here.
    pub since: Instant,
}

/// What stays the same from run to run.
#[derive(Debug)]
pub(super) struct SlotTerms {
    /// The steps of the process that waits.
    pub own: Arc<Plan>,
    /// What of the plan's descriptors belongs to the groups, and where.
    groups: Vec<(u32, Resource)>,
    pub renewable: bool,
    pub layout: Layout,
    /// The limits that its groups have now.
    pub limits: Applied,
}

/// Limits that each run can have other ones of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Applied {
    memory: Option<u64>,
    swap: Option<u64>,
    pids: Option<u64>,
    cpus: Option<f64>,
}

impl Applied {
    pub fn of(container: &Description) -> Self {
        let limits = &container.limits;
        Applied { memory: limits.memory, swap: limits.swap, pids: limits.pids, cpus: limits.cpus }
    }
}

/// What became of a slot that was to be made as new.
pub(super) enum Renewal {
    Ready,
    /// Other groups would help.
    Charged,
    /// It has to be another container.
    Failed,
}

/// A slot before it is started.
pub(super) struct Blank {
    pub plan: Plan,
    renewable: bool,
    layout: Layout,
    groups: Groups,
    limits: Applied,
    runs: OwnedFd,
}

impl Blank {
    pub fn new(container: &Description, watch: bool) -> Result<Self> {
        let container = with_a_name(container);
        plan::validate(&container)?;
        let layout = cgroup::plan(&container.limits)?;
        let facts = facts::gather(&container, &layout)?;
        let (runs, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)
            .map_err(|errno| Error::errno("host", "a socket pair", errno as i32))?;
        let serving = Serving {
            runs: Resource::Given(Arc::new(theirs)),
            charge: layout.charge().map(|(index, file)| Resource::CgroupFile(index, file)),
            residue: cgroup::residue(facts.cpus, container.limits.memory),
            counters: layout
                .counters()
                .into_iter()
                .map(|(index, file)| Resource::CgroupCounter(index, file))
                .collect(),
            watch,
        };
        let SlotPlan { plan, renewable } = plan::build_slot(&container, &facts, serving)?;
        let groups = cgroup::create(&layout)?;
        Ok(Blank { plan, renewable, layout, groups, limits: Applied::of(&container), runs })
    }

    pub fn open(&self) -> Result<Opened> {
        Opened::open(&self.plan, None, &self.groups)
    }

    /// The slot that was started.
    pub fn slot(self, starting: Starting, waiting: Started) -> Slot {
        let Blank { plan, renewable, layout, groups, limits, runs } = self;
        let link = Link::new(starting.channel, starting.pidfd, plan.init_is_pid_1(), groups);
        let groups = (0..).zip(&plan.resources).filter(|(_, resource)| resource.is_of_cgroup());
        let groups = groups.map(|(index, resource)| (index, resource.clone())).collect();
        let own = Arc::new(plan.of_the_workload());
        let terms = SlotTerms { own, groups, renewable, layout, limits };
        Slot { link, runs: Channel::of(runs), terms, waiting: Some(waiting), since: Instant::now() }
    }
}

impl Slot {
    /// Starts a container that waits for its first run.
    pub fn start(container: &Description) -> Result<Self> {
        // A program that itself runs under a filter with a listener can have no other one.
        match Slot::try_start(container, true) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Slot::try_start(container, false),
            slot => slot,
        }
    }

    fn try_start(container: &Description, watch: bool) -> Result<Self> {
        let blank = Blank::new(container, watch)?;
        let (starting, waiting) = bring_up(&blank.plan, &blank.open()?)?;
        Ok(blank.slot(starting, waiting))
    }

    /// A container that comes back from a run.
    pub fn again(link: Link, vacated: Vacated) -> Self {
        let Vacated { runs, terms } = vacated;
        Slot { link, runs, terms, waiting: None, since: Instant::now() }
    }

    pub fn is_ready(&self) -> bool {
        self.waiting.is_some()
    }

    /// Has init make it as new.
    pub fn renew(&mut self) -> Result<()> {
        let sent = self.link.send(Command::Renew(0));
        sent.map_err(|error| Error::io("pool", "cannot tell init", &error))
    }

    /// Gives it other groups, and has init make it as new.
    pub fn regroup(&mut self) -> Result<()> {
        let layout = self.terms.layout.renamed();
        let groups = cgroup::create(&layout)?;
        let mut indexes = Vec::new();
        let mut files = Vec::new();
        for (index, resource) in &self.terms.groups {
            files.push(open_group(resource, &groups)?);
            indexes.extend(index.to_ne_bytes());
        }
        let count = files.len() as u64;
        if count == 0 {
            return self.renew();
        }
        let numbers: Vec<_> = files.iter().map(std::os::fd::AsRawFd::as_raw_fd).collect();
        self.link.send_with(
            Command::Renew(count),
            &header(&Plan::empty(), &indexes, &numbers),
            &numbers,
            &indexes,
        )?;
        self.link.groups.remove();
        self.link.groups = groups;
        self.terms.layout = layout;
        Ok(())
    }

    /// Waits until it is as new.
    pub fn await_ready(&mut self) -> Renewal {
        if self.waiting.is_some() {
            return Renewal::Ready;
        }
        match self.link.next(None) {
            Ok(Some((Record::Ready { vouched }, attached))) => {
                self.waiting = started(attached, vouched).ok().flatten();
                if self.waiting.is_some() { Renewal::Ready } else { Renewal::Failed }
            }
            Ok(Some((Record::Spoiled { why: spoiled::MEMORY }, _))) => Renewal::Charged,
            _ => Renewal::Failed,
        }
    }

    /// Gives the groups the limits of the next run, where they have others.
    pub fn limit(&mut self, wanted: Applied) -> Result<()> {
        let (groups, now) = (&self.link.groups, self.terms.limits);
        if wanted == now {
            return Ok(());
        }
        if let (Some(bytes), true) = (wanted.memory, (wanted.memory, wanted.swap) != (now.memory, now.swap)) {
            groups.set_memory(bytes, wanted.swap)?;
        }
        if let (Some(count), true) = (wanted.pids, wanted.pids != now.pids) {
            groups.set_pids(count)?;
        }
        if let (Some(cpus), true) = (wanted.cpus, wanted.cpus != now.cpus) {
            groups.set_cpus(cpus)?;
        }
        self.terms.limits = wanted;
        Ok(())
    }

    /// Has init put the files of the next run in their places; whether there are any.
    pub fn begin_to_prepare(&mut self, files: &Plan) -> Result<bool> {
        if files.steps.is_empty() {
            return Ok(false);
        }
        let opened = Opened::open(files, None, &self.link.groups)?;
        self.link.send_with_plan(Command::Prepare, files, &opened.numbers)?;
        Ok(true)
    }

    /// Waits until the files are in their places.
    pub fn prepared(&mut self, files: &Plan) -> Result<()> {
        match self.link.next_record(None)? {
            Some(Record::Prepared) => Ok(()),
            Some(Record::SetupFailed { step, errno, item }) => {
                Err(diagnose::setup_failed(files, step, errno, item))
            }
            _ => Err(lost("init sent something else than an answer")),
        }
    }

    /// Sends the steps of a run to the process that waits for them.
    pub fn send_run(&mut self, run: &Plan, streams: &[Stream; 3], announce: bool) -> Result<()> {
        let opened = Opened::open(run, Some(streams), &self.link.groups)?;
        let body = run.encode_for_room()?;
        let mut header = header(run, &body, &opened.numbers);
        header.announce = u64::from(announce);
        let sent = self.runs.send_plan(self.link.init.as_fd(), &header, &opened.numbers, &body);
        sent.map_err(|error| Error::io("pool", "cannot send the run", &error))
    }

    /// Parts the container from the rest, for a run.
    pub fn vacate(self) -> (Link, Option<Started>, Vacated) {
        (self.link, self.waiting, Vacated { runs: self.runs, terms: self.terms })
    }
}
