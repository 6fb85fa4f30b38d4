//! A slot of a pool: a container that runs one command after another, each as if it were the first.
//!
//! Kept from run to run are the namespaces of users, mounts, processes, network and host name, with most of the
//! file systems. Before each run the slot is made as new:
//!
//! - every process has been ended and reaped, and process ids begin anew;
//! - the file systems that a run can write to are other ones, and so is the IPC namespace; the cgroup namespace is
//!   the next process's own;
//! - /proc forgets what was looked up in it;
//! - the network namespace is another one where anything in it has been used;
//! - where it can be seen that something is left, the slot is not used again.
//!
//! Then the process that becomes the next workload is made, up to its `execve`, and waits.

use core::ffi::CStr;

use super::channel::{self, Reporter};
use super::jobs::Jobs;
use super::listener::{Listener, Seen};
use super::messages::Messages;
use super::meter::{self, Meter, Source};
use super::network::Network;
use super::run::Run;
use super::settings::Settings;
use super::shared::Shared;
use super::state::{Descriptors, Failure, Outcome, OwnMounts, Places};
use super::steps::Walk;
use super::sys::{self, CWD, Errno, Fd, Ground, Reaped, Result};
use super::{abi, init, mounts, system};
use crate::wire::{CONTROL_FD, Ending, HOST_FD, Header, ROOM, Reader, Record, Step, item, listener, spoiled};

/// What the step `serve` says.
pub struct Terms {
    pub runs: u32,
    pub charge: u32,
    pub residue: u64,
    pub network: bool,
}

/// Why a slot is not ready.
pub enum Stop {
    /// A step failed.
    Failed(u32, Failure),
    /// Something of the last run is left.
    Spoiled(u32),
}

impl Stop {
    pub fn record(&self) -> Record {
        match *self {
            Stop::Failed(step, failure) => channel::setup_failed(step, failure),
            Stop::Spoiled(why) => Record::Spoiled { why },
        }
    }
}

type Ready<T = ()> = core::result::Result<T, Stop>;

/// When a file was last read, written and changed.
type Times = [(i64, u32); 3];

pub struct Slot {
    /// At the first step of a round.
    walk: Walk,
    ground: Ground,
    pub shared: Shared,
    terms: Terms,
    network: Option<Network>,
    /// Where the last process id is set.
    last_pid: Option<Fd>,
    settings: Settings,
    /// Those of the multiplexer of pseudo-terminals.
    terminals: Option<Times>,
    /// The socket of the process that waits, and at its end that of its `execve`.
    pub messages: Option<Fd>,
    /// The listener of its filter, if the host is to have it.
    pub for_the_host: Option<Fd>,
    /// How far the clock of that process is ahead.
    pub offset: i64,
    /// The file systems of its own that the slot keeps, and with those of the round.
    own: OwnMounts,
    own_of_the_round: OwnMounts,
    /// What the last run has asked for.
    seen: Seen,
    /// When the file systems of the round were touched last, after they were made.
    untouched: Option<[Times; MOST_FILE_SYSTEMS]>,
    /// Where they are mounted.
    paths: &'static [u8],
    /// The clock of files when the process that waits was made.
    parked: (i64, u32),
    was_used: bool,
}

/// Memory that the steps of a run took is given back if it was more than this.
const LARGE: u64 = 64 << 10;

/// Of more file systems than this none is looked at: all are replaced.
const MOST_FILE_SYSTEMS: usize = 8;

/// Becomes a slot. Returns only the failure to do so.
pub fn serve(mut walk: Walk, terms: Terms) -> Outcome {
    init::prepare()?;
    walk.places.runs = Some(walk.plan.fds.get(terms.runs)?);
    walk.index = walk.index.wrapping_add(1);
    // Where there is none to be had process ids cannot begin anew, and the slot serves once.
    let proc = if sys::getpid() == 1 { system::own_proc().ok() } else { None };
    let network = proc.filter(|_| terms.network).map(Network::watch).transpose()?;
    let own = walk.places.own;
    let slot = Slot {
        walk,
        ground: Ground::new(ROOM)?,
        shared: Shared::new()?,
        terms,
        network,
        last_pid: proc.and_then(|proc| system::open_last_pid(proc).ok()),
        settings: Settings::now(),
        terminals: terminals(),
        messages: None,
        for_the_host: None,
        offset: 0,
        own,
        own_of_the_round: own,
        seen: Seen::ALL,
        untouched: None,
        paths: &[],
        parked: (0, 0),
        was_used: false,
    };
    init::serve(slot)
}

/// The latest moment that a time of a file can mean: some file systems, mqueue among them, keep whole seconds.
fn latest((seconds, nanoseconds): (i64, u32)) -> (i64, u32) {
    (seconds, if nanoseconds == 0 { 999_999_999 } else { nanoseconds })
}

/// When the roots of file systems were touched last.
fn touched(paths: &'static [u8]) -> Option<[Times; MOST_FILE_SYSTEMS]> {
    let mut all = [Times::default(); MOST_FILE_SYSTEMS];
    let mut rest = paths;
    let mut slots = all.iter_mut();
    while !rest.is_empty() {
        let path = CStr::from_bytes_until_nul(rest).ok()?;
        *slots.next()? = sys::times(CWD, path).ok()?;
        rest = rest.get(path.to_bytes_with_nul().len()..)?;
    }
    Some(all)
}

fn terminals() -> Option<Times> {
    sys::times(CWD, c"/dev/pts/ptmx").ok()
}

impl Slot {
    /// What the whole slot is about.
    pub fn header(&self) -> &Header {
        &self.walk.plan.header
    }

    /// Where the files of the container are.
    pub fn places(&self) -> &Places {
        &self.walk.places
    }

    /// Receives descriptors of other cgroups, if there are to be any, and the indexes that they have in the plan.
    pub fn change_groups(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        let Ok((_, fds, body)) = channel::receive_steps(Fd(HOST_FD)) else { sys::exit(1) };
        for (index, fd) in body.chunks_exact(4).zip(fds.iter()) {
            let index = u32::from_ne_bytes(index.try_into().unwrap_or_default());
            self.walk.plan.fds.replace(index, fd);
        }
        sys::release(body);
    }

    /// Tells the host of the end of a run, or why there was none.
    pub fn tell_the_end(&mut self, mut run: Run, jobs: &mut Jobs) {
        sys::close_if_any(self.messages.take());
        sys::close_if_any(self.for_the_host.take());
        let seen = run.listener.seen.or(core::mem::take(&mut jobs.seen));
        self.seen = if self.header().listener == listener::WATCH { seen } else { Seen::ALL };
        run.listener.close();
        sys::close(run.process.pidfd);
        match self.shared.failure() {
            Some((step, failure)) if run.ending == Ending::Own => {
                channel::send(&channel::setup_failed(step, failure));
            }
            _ => run.report(),
        }
    }

    /// Counts a reaped process in.
    pub fn settle(&mut self, reaped: &Reaped) {
        self.ground.forget(reaped);
    }

    /// Makes the slot as new, and the process that is to become the next workload.
    pub fn renew(&mut self) -> Ready<Run> {
        if self.was_used {
            self.clean()?;
        }
        let start = (self.walk.rest, self.walk.index);
        let parked = self.round();
        let at = self.walk.index;
        (self.walk.rest, self.walk.index) = start;
        self.was_used = true;
        match parked {
            Ok(run) => run.map_err(Stop::Spoiled),
            Err(failure) => Err(Stop::Failed(at, failure)),
        }
    }

    /// Undoes what no step does, and looks for what nothing undoes.
    fn clean(&mut self) -> Ready {
        if self.shared.taken_room() > LARGE {
            self.ground.clear();
        }
        self.settings.restore();
        if self.settings != Settings::now() {
            return Err(Stop::Spoiled(spoiled::INIT));
        }
        if terminals() != self.terminals {
            return Err(Stop::Spoiled(spoiled::TERMINALS));
        }
        if sys::has_input(self.walk.places.runs()?) {
            return Err(Stop::Spoiled(spoiled::SOCKET));
        }
        if let Some(network) = &mut self.network {
            network.renew_if_used(self.seen.sockets)?;
        }
        Ok(())
    }

    /// The steps of a round, up to the one that makes the next process.
    fn round(&mut self) -> Outcome<core::result::Result<Run, u32>> {
        loop {
            match self.walk.next_step()? {
                Step::Park { cgroup } => return self.park(cgroup),
                Step::Used { paths, are_empty } => self.look_at(paths, are_empty != 0)?,
                step => self.walk.carry_out(&step)?,
            }
            self.walk.index = self.walk.index.wrapping_add(1);
        }
    }

    /// Leaves out the steps that replace file systems and IPC namespace, where the last run has used none of them.
    fn look_at(&mut self, paths: &'static [u8], are_empty: bool) -> Outcome {
        let untouched = self.untouched.is_some_and(|before| {
            let same = touched(paths) == Some(before);
            // A clock that has not moved on since they were made would not show it.
            same && before.iter().all(|[_, _, changed]| latest(*changed) < self.parked)
        });
        if untouched && are_empty && !self.seen.objects {
            self.walk.places.own = self.own_of_the_round;
            return self.skip_to_the_park();
        }
        self.walk.places.own = self.own;
        self.paths = paths;
        self.untouched = None;
        Ok(())
    }

    fn skip_to_the_park(&mut self) -> Outcome {
        loop {
            let here = self.walk.rest;
            if let Step::Park { .. } = self.walk.next_step()? {
                self.walk.rest = here;
                return Ok(());
            }
            self.walk.index = self.walk.index.wrapping_add(1);
        }
    }

    fn park(&mut self, cgroup: u32) -> Outcome<core::result::Result<Run, u32>> {
        // Of the first run they have not begun.
        if self.was_used && self.last_pid.is_none_or(|file| sys::write_to_start(file, b"1").is_err()) {
            return Ok(Err(spoiled::PIDS));
        }
        let charge = self.walk.plan.fds.find(self.terms.charge)?;
        if charge.is_some_and(|file| meter::read_number(file) > self.terms.residue) {
            return Ok(Err(spoiled::MEMORY));
        }
        if self.untouched.is_none() {
            self.own_of_the_round = self.walk.places.own;
            self.untouched = touched(self.paths);
        }
        self.parked = sys::clock_of_files();
        let source = self.walk.plan.fds.find(self.header().meter as u32)?.map(Source::Cgroup);
        let messages = Messages::always()?;
        self.walk.places.messenger = messages.theirs;
        self.shared.clear();
        let cgroup = self.walk.plan.fds.find(cgroup)?;
        let reporter = Reporter::Init(self.shared);
        let cpus = self.header().cpus;
        let meter = source.map(|source| Meter::from_now(source, cpus));
        let spawned = self.walk.spawn_next(cgroup, false, &mut self.ground, reporter);
        messages.close_theirs();
        self.messages = messages.ours;
        let (process, offset) = spawned?;
        self.offset = offset;
        let meter = meter.unwrap_or_else(|| Meter::from_now(Source::Process(process.pid), cpus));
        Ok(Ok(Run::new(process, Fd(CONTROL_FD), meter, Listener::none())))
    }

    /// Takes what the process that waits hands over when it is ready.
    pub fn take_over(&mut self, run: &mut Run) -> Result<()> {
        let messages = self.messages.ok_or(Errno(abi::EINVAL))?;
        let purpose = self.header().listener;
        match channel::take_over(messages)? {
            Some(fd) if purpose == listener::HOST => self.for_the_host = Some(fd),
            Some(fd) => run.listener = Listener::new(Some(fd), purpose),
            None => {}
        }
        Ok(())
    }

    /// Notes that the process that waited has called `execve`, or is gone.
    pub fn has_left(&mut self) {
        sys::close_if_any(self.messages.take());
        if self.shared.failure().is_none() {
            self.ground.tenant_has_left();
        }
    }

    /// Carries out the steps that a run needs before it.
    pub fn prepare(&mut self) -> Record {
        let (_, fds, body) = match channel::receive_steps(Fd(HOST_FD)) {
            Ok(message) => message,
            Err(_) => sys::exit(1),
        };
        let outcome = self.carry_out_files(&fds, body);
        fds.iter().for_each(sys::close);
        sys::release(body);
        match outcome {
            Ok(()) => Record::Prepared,
            Err((step, failure)) => channel::setup_failed(step, failure),
        }
    }

    fn carry_out_files(
        &mut self,
        fds: &Descriptors,
        body: &[u8],
    ) -> core::result::Result<(), (u32, Failure)> {
        let places = &mut self.walk.places;
        let mut rest = Reader::new(body);
        let mut index = 0;
        while !rest.is_empty() {
            let outcome = match Step::decode(&mut rest) {
                Some(Step::File { path, mode, fd, content, bound }) => {
                    fds.find(fd).map_err(Failure::from).and_then(|fd| {
                        mounts::file(places, path, mode, &mounts::Content { fd, bytes: content }, bound)
                    })
                }
                Some(Step::Directory { path, mode }) => mounts::directory(places, path, mode),
                _ => Err(Failure { errno: Errno(abi::EINVAL), item: item::PLAN }),
            };
            outcome.map_err(|failure| (index, failure))?;
            index += 1;
        }
        Ok(())
    }

    /// Copies files out, and sends each to the host.
    pub fn collect(&mut self) {
        let (_, fds, body) = match channel::receive_steps(Fd(HOST_FD)) {
            Ok(message) => message,
            Err(_) => sys::exit(1),
        };
        fds.iter().for_each(sys::close);
        let mut rest = Reader::new(body);
        while let (false, Some(Step::Collect { path, most })) = (rest.is_empty(), Step::decode(&mut rest)) {
            let sent = self.walk.places.root().and_then(|root| collect(root, path, most)).and_then(|copy| {
                let sent = channel::send_with(&Record::Collected { errno: 0 }, copy);
                sys::close(copy);
                sent
            });
            if let Err(Errno(errno)) = sent {
                channel::send(&Record::Collected { errno });
            }
        }
        sys::release(body);
    }
}

/// A copy of a file, so that nobody holds on to the slot's own file systems. A workload may have put anything
/// at the path: a link leads nowhere outside, and what is no ordinary file is not opened for reading.
fn collect(root: Fd, path: &CStr, most: u64) -> Result<Fd> {
    let place = sys::open_in_root(root, path, abi::O_PATH | abi::O_NOFOLLOW)?;
    let stat = sys::fstat(place);
    sys::close(place);
    if stat?.mode & abi::S_IFMT != abi::S_IFREG {
        return Err(Errno(abi::EINVAL));
    }
    let file = sys::open_in_root(root, path, abi::O_RDONLY | abi::O_NOFOLLOW | abi::O_NONBLOCK)?;
    let copy = sys::memfd(c"cofferdam-file");
    let copied = copy.and_then(|copy| {
        if sys::size(file)? > most {
            return Err(Errno(abi::EFBIG));
        }
        sys::copy_file(file, copy)?;
        sys::rewind(copy)?;
        // A link on the way may lead to a file of /proc, whose size is not known before it is read.
        if sys::size(copy)? > most { Err(Errno(abi::EFBIG)) } else { Ok(copy) }
    });
    sys::close(file);
    if let (Err(_), Ok(copy)) = (&copied, copy) {
        sys::close(copy);
    }
    copied
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Stop::Failed(u32::MAX, errno.into())
    }
}
