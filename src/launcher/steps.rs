//! Walks the plan: which function carries out which step.

use core::ffi::CStr;

use super::abi;
use super::channel::{self, Reporter, send};
use super::messages::Messages;
use super::shared::Shared;
use super::state::{Failure, In, Outcome, Places, Plan};
use super::sys::{self, Errno, Fd, Fork, Ground, How, Pass, Spawned};
use super::{copy, identity, init, landlock, mounts, slot, system, workload};
use crate::wire::{Command, Reader, Record, Step, item};

/// A step as the launcher sees it.
pub type ReceivedStep = Step<&'static CStr, &'static [u8]>;

/// Everything the steps work on.
pub struct Walk {
    pub plan: Plan,
    pub rest: Reader<'static>,
    pub places: Places,
    reporter: Reporter,
    pub index: u32,
    /// The process was created in the cgroup of the step `start-workload`.
    born_in_cgroup: bool,
    /// Memory for the pointer tables of `execve`, and for a run that is awaited: once there is a filter none can
    /// be asked for.
    room: &'static mut [u8],
    /// What the calls after the filter carry.
    pass: Pass,
    /// The listener of the filter, until it is handed over.
    listener: Option<Fd>,
}

/// Carries out the plan. Init's way through ends in its main loop, the workload's in `execve`.
pub fn walk(plan: Plan) -> ! {
    let rest = Reader::new(plan.body);
    Walk::new(plan, rest, 0, Places::default(), Reporter::Control, &mut []).run()
}

impl Walk {
    fn new(
        plan: Plan,
        rest: Reader<'static>,
        index: u32,
        places: Places,
        reporter: Reporter,
        room: &'static mut [u8],
    ) -> Self {
        let (born_in_cgroup, pass, listener) = (false, Pass::default(), None);
        Walk { plan, rest, places, reporter, index, born_in_cgroup, room, pass, listener }
    }

    fn run(&mut self) -> ! {
        while !self.rest.is_empty() {
            self.reporter.step(self.index);
            if let Err(failure) = self.take_a_step() {
                self.reporter.failed(self.index, failure, self.pass);
            }
            self.index = self.index.wrapping_add(1);
        }
        // Only a plan without workload gets here: the host asked whether the steps work, and they do.
        init::finish_without_workload()
    }

    fn take_a_step(&mut self) -> Outcome {
        match self.next_step()? {
            Step::StartWorkload { cgroup } => self.start_workload(self.plan.fds.find(cgroup)?),
            Step::Serve { runs, charge, residue, network } => {
                let terms = slot::Terms { runs, charge, residue, network: network != 0 };
                slot::serve(self.branch(self.reporter, &mut []), terms)
            }
            step => self.carry_out(&step),
        }
    }

    /// Decodes the next step.
    pub fn next_step(&mut self) -> Outcome<ReceivedStep> {
        Step::decode(&mut self.rest).ok_or(Failure { errno: Errno(abi::EINVAL), item: item::PLAN })
    }

    /// Creates the process that carries out the rest of the plan and becomes the workload, and goes on as
    /// init. Returns only the failure to do so.
    fn start_workload(&mut self, cgroup: Option<Fd>) -> Outcome {
        let shared = Shared::new()?;
        init::prepare()?;
        let messages = Messages::new(&self.plan.header)?;
        self.places.messenger = messages.theirs;
        let mut ground = Ground::new(self.plan.header.scratch as usize)?;
        let reporter = Reporter::Init(shared);
        let (workload, offset) = self.spawn_next(cgroup, true, &mut ground, reporter)?;
        init::main(&self.plan, &self.places, shared, offset, &workload, messages)
    }

    /// Creates the process that goes on with the steps after this one. Returns how far its clock is ahead as well.
    pub fn spawn_next(
        &self,
        cgroup: Option<Fd>,
        wait: bool,
        ground: &mut Ground,
        reporter: Reporter,
    ) -> Outcome<(Spawned, i64)> {
        let spawn = |cgroup: Option<Fd>, ground: &mut Ground| {
            spawn_shared(cgroup, wait, ground, |room| {
                let mut walk = self.branch(reporter, room);
                walk.index = self.index.wrapping_add(1);
                walk.born_in_cgroup = cgroup.is_some();
                Ok(walk)
            })
        };
        let spawned = match spawn(cgroup, ground) {
            // The kernel does not know how (ENOSYS, E2BIG, EINVAL), or does not let init (EACCES): the process
            // enters the group by itself.
            Err(_) if cgroup.is_some() => spawn(None, ground),
            spawned => spawned,
        };
        let (process, shares) = spawned.map_err(|failure| Failure { item: item::FORK, ..failure })?;
        Ok((process, if shares { 0 } else { self.plan.header.clock_offset }))
    }

    /// The same walk for another process, which moves its descriptors, while they remain where they are here.
    pub fn branch(&self, reporter: Reporter, room: &'static mut [u8]) -> Walk {
        Walk::new(self.plan.clone(), self.rest, self.index, self.places, reporter, room)
    }

    /// From here on this process makes no call that the filter does not know by the pass. A process that waits for its
    /// run hands the listener over when it is ready.
    fn attach_filter(&mut self, program: &[u8], has_listener: bool) -> Outcome {
        self.listener = sys::set_filter(program, has_listener)?;
        match self.listener {
            Some(listener) if self.places.runs.is_none() => {
                channel::hand_over(self.places.messenger()?, Some(listener), self.pass).item(item::LISTENER)
            }
            _ => Ok(()),
        }
    }

    /// Says that all is ready, and takes the steps of the run that comes.
    fn await_run(&mut self) -> Outcome {
        channel::hand_over(self.places.messenger()?, self.listener.take(), self.pass)?;
        let (header, fds) = channel::receive_head(self.places.runs()?, self.pass)?;
        let room = core::mem::take(&mut self.room);
        let too_big = Failure { errno: Errno(abi::E2BIG), item: item::PLAN };
        let (body, room) = room.split_at_mut_checked(header.body as usize).ok_or(too_big)?;
        channel::receive_run(self.places.runs()?, body, self.pass)?;
        if let Reporter::Init(shared) = self.reporter {
            shared.run_comes(&header);
        }
        self.rest = Reader::new(body);
        (self.plan, self.room) = (Plan { header, body, fds }, room);
        // The steps of a run are counted from 0.
        self.index = u32::MAX;
        Ok(())
    }

    #[inline(never)] // Two callers; it is most of the launcher.
    pub fn carry_out(&mut self, step: &ReceivedStep) -> Outcome {
        let places = &mut self.places;
        let fds = &mut self.plan.fds;
        match *step {
            Step::JoinNamespace { fd, kinds } => Ok(sys::setns(fds.get(fd)?, kinds)?),
            Step::Unshare { kinds } => Ok(sys::unshare(kinds)?),
            Step::IdMaps {} => await_id_maps(),
            Step::ForkInit {} => fork_init(),
            Step::InitIdentity { uid, gid, groups } => identity::for_init(uid, gid, groups != 0),
            Step::TimeOffsets { lines } => system::time_offsets(places, lines),
            Step::HostProc {} => system::open_host_proc(places),
            Step::HostName { name } => Ok(sys::sethostname(name)?),
            Step::Loopback {} => Ok(system::loopback_up()?),

            Step::PrivateMounts {} => Ok(sys::make_mounts_private()?),
            Step::Stage { size } => mounts::stage(places, size),
            Step::Bind { source, fd, device, inode, target, attributes } => {
                let source = mounts::Source { path: source, fd: fds.take(fd)?, device, inode };
                mounts::bind(places, &source, target, attributes)
            }
            Step::Tmpfs { target, mode, size, inodes, attributes } => {
                mounts::tmpfs(places, target, &mounts::TmpfsOptions { mode, size, inodes }, attributes)
            }
            Step::Skeleton { path, directory } => mounts::skeleton(places, path, directory != 0),
            Step::OverlayLayer { name, fd, .. } => {
                let layer = fds.take(fd)?.ok_or(Errno(abi::EINVAL))?;
                mounts::overlay_layer(places, name, layer)
            }
            Step::Overlay { target, options, memory, size, inodes, place, attributes } => {
                let bounds = mounts::TmpfsOptions { mode: c"700", size, inodes };
                let overlay = mounts::Overlay { options, memory, bounds, place, attributes };
                mounts::overlay(places, &overlay, target)
            }
            Step::Pool { size, inodes } => mounts::pool(places, size, inodes),
            Step::PooledDirectory { target, name, mode, attributes } => {
                mounts::pooled_directory(places, target, name, mode, attributes)
            }
            Step::Proc { target, outer } => mounts::proc(places, target, outer != 0),
            Step::Mask { path } => mounts::mask(places, path),
            Step::ReadOnly { path } => mounts::read_only(places, path),
            Step::Devpts { target } => mounts::devpts(places, target),
            Step::Mqueue { target } => mounts::mqueue(places, target),
            Step::Directory { path, mode } => mounts::directory(places, path, mode),
            Step::File { path, mode, fd, content, bound } => {
                let content = mounts::Content { fd: fds.find(fd)?, bytes: content };
                mounts::file(places, path, mode, &content, bound)
            }
            Step::Symlink { target, path } => mounts::symlink(places, target, path),
            Step::SealMount { path } => mounts::seal(places, path),
            Step::EnterRoot {} => mounts::enter_root(places),

            Step::StartWorkload { .. }
            | Step::Serve { .. }
            | Step::Park { .. }
            | Step::Used { .. }
            | Step::Collect { .. } => Err(Failure { errno: Errno(abi::EINVAL), item: item::PLAN }),
            Step::Unmount { path } => Ok(sys::unmount_if_mounted(path)?),
            Step::SetToZero { fd } => Ok(sys::write_to_start(fds.get(fd)?, b"0").map(drop)?),
            Step::Forget { path, flags } => Ok(sys::remount(path, flags)?),
            Step::AwaitRun {} => self.await_run(),
            Step::Cgroup { of_start, .. } if of_start != 0 && self.born_in_cgroup => Ok(()),
            Step::Cgroup { fd, .. } => Ok(sys::write_all(fds.get(fd)?, b"0")?),
            Step::SessionKeyring {} => Ok(identity::leave_session_keyring()?),
            Step::Session {} => Ok(sys::setsid()?),
            Step::LiftDescriptors { above } => {
                places.lift(above, self.pass)?;
                Ok(fds.lift(above, self.pass)?)
            }
            Step::Descriptor { fd, target } => Ok(sys::give_number(fds.get(fd)?, target as i32, self.pass)?),
            Step::ResourceLimit { resource, soft, hard } => {
                Ok(sys::set_rlimit(resource, soft, hard, self.pass)?)
            }
            Step::Nice { value } => Ok(sys::set_nice(value)?),
            Step::Affinity { mask } => Ok(sys::set_affinity(mask)?),
            Step::OomScoreAdj { value } => system::oom_score_adj(places, value),
            Step::Personality { persona } => Ok(sys::personality(persona)?),
            Step::Umask { mask } => {
                sys::umask(mask);
                Ok(())
            }
            Step::BoundingSet { keep } => Ok(identity::drop_bounding_set(keep)?),
            Step::Securebits { bits } => Ok(sys::prctl(abi::PR_SET_SECUREBITS, bits as usize)?),
            Step::Groups { gids } => Ok(sys::setgroups(gids)?),
            Step::Identity { uid, gid } => identity::for_workload(uid, gid),
            Step::Capabilities { effective, permitted, inheritable, ambient } => {
                Ok(identity::set_capabilities(effective, permitted, inheritable, ambient)?)
            }
            Step::NoNewPrivs {} => Ok(sys::prctl(abi::PR_SET_NO_NEW_PRIVS, 1)?),
            Step::WorkingDirectory { path } => Ok(sys::chdir_with(path, self.pass)?),
            Step::ParentDeath {} => Ok(sys::prctl(abi::PR_SET_PDEATHSIG, abi::SIGKILL as usize)?),
            Step::DefaultSignals {} => Ok(sys::set_signal_mask(0)?),
            Step::LandlockRule { fd, path, access } => landlock::add_rule(fds.get(fd)?, path, access),
            Step::LandlockRestrict { fd, .. } => Ok(sys::landlock_restrict_self(fds.get(fd)?)?),
            Step::Seccomp { program, listener, pass_1, pass_2, pass_3 } => {
                self.pass = Pass([pass_1, pass_2, pass_3]);
                self.attach_filter(program, listener != 0)
            }
            Step::Execute { candidates, arguments, environment, strings } => {
                let counts = workload::Counts { candidates, arguments, environment };
                let scratch = core::mem::take(&mut self.room);
                workload::execute(&counts, strings, scratch, self.reporter, self.pass)
            }
        }
    }
}

/// Creates a process for a walk. On shared memory nothing need be copied. Before Linux 6.1 a process that is to
/// enter a new time namespace may not share (EINVAL), and enters it when it is created, not at exec: its clock then
/// is ahead by the offset. Returns whether it shares.
pub fn spawn_shared(
    cgroup: Option<Fd>,
    wait: bool,
    ground: &mut Ground,
    make: impl Fn(&'static mut [u8]) -> Outcome<Walk>,
) -> Outcome<(Spawned, bool)> {
    let mut spawn = |share| sys::spawn(How { share, cgroup, wait }, ground, go_on, &make);
    match spawn(true) {
        Err(Failure { errno: Errno(abi::EINVAL), .. }) => spawn(false).map(|process| (process, false)),
        process => process.map(|process| (process, true)),
    }
}

/// A walk through steps that are copied into the room.
pub fn walk_through(
    plan: Plan,
    steps: &[u8],
    places: Places,
    reporter: Reporter,
    room: &'static mut [u8],
) -> Outcome<Walk> {
    let too_big = Failure { errno: Errno(abi::E2BIG), item: item::PLAN };
    let (body, room) = room.split_at_mut_checked(steps.len()).ok_or(too_big)?;
    copy(body, steps);
    let body = &*body;
    Ok(Walk::new(Plan { body, ..plan }, Reader::new(body), 0, places, reporter, room))
}

/// A new process begins here, on a stack of its own.
extern "C" fn go_on(walk: &'static mut Walk) -> ! {
    walk.run()
}

/// Asks the host for the id maps and waits for its word.
fn await_id_maps() -> Outcome {
    send(&Record::NeedIdMaps);
    match super::channel::await_command()? {
        Some(Command::IdMapsWritten) => Ok(()),
        // The host could not write them and says why itself.
        _ => sys::exit(1),
    }
}

/// Forks inside a joined PID namespace. The parent only keeps the host's child alive until init ends.
fn fork_init() -> Outcome {
    match sys::fork() {
        Ok(Fork::Child) => Ok(()),
        Ok(Fork::Parent) => {
            let _ = sys::close_range(0, u32::MAX);
            let _ = sys::reap(true);
            sys::exit(0)
        }
        Err(errno) => Err(Failure { errno, item: item::FORK }),
    }
}
