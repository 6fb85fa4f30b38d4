//! Entering namespaces, and the settings that belong to them.

use super::identity::IdMaps;
use super::text::{c_string, digits};
use super::{Builder, Resource, Step};
use crate::config::{Capabilities, Namespaces};
use crate::error::Result;

/// Made by the workload itself: a cgroup namespace is rooted where its creator is, and a time namespace
/// is entered by the next process created.
const LATER: Namespaces = Namespaces::CGROUP.union(Namespaces::TIME);

/// Mounts, host name and chroot; loopback; clocks; ids, groups, capability sets; files of other ids; ending
/// the workload.
const FOR_SET_UP: Capabilities = Capabilities::SYS_ADMIN
    .union(Capabilities::SYS_CHROOT)
    .union(Capabilities::NET_ADMIN)
    .union(Capabilities::SYS_TIME)
    .union(Capabilities::SETUID)
    .union(Capabilities::SETGID)
    .union(Capabilities::SETPCAP)
    .union(Capabilities::CHOWN)
    .union(Capabilities::FOWNER)
    .union(Capabilities::FSETID)
    .union(Capabilities::DAC_OVERRIDE)
    .union(Capabilities::KILL);

impl Builder<'_> {
    /// New namespaces come with the clone of init. Only where some are joined the launcher starts outside
    /// and goes in by steps, because what is joined must be entered before what it owns is created.
    pub(super) fn enter_namespaces(&mut self) -> Result<()> {
        let config = &self.container.namespaces;
        let new = config.new - LATER;
        self.plan.own_pid_namespace = new.contains(Namespaces::PID);
        self.plan.id_maps = self.id_maps()?;
        if self.needs_host_proc() {
            self.push(Step::HostProc {});
        }
        if config.joined.is_empty() {
            self.plan.clone_flags = new.bits();
            if new.contains(Namespaces::USER) {
                self.plan.init_capabilities = self.init_capabilities().bits();
            }
        } else {
            self.join();
            if !new.is_empty() {
                self.push(Step::Unshare { kinds: new.bits() });
            }
            if self.plan.id_maps.is_some() {
                self.push(Step::IdMaps {});
            }
            if (new | config.joined_kinds()).contains(Namespaces::PID) {
                self.push(Step::ForkInit {});
            }
        }
        self.init_identity();
        Ok(())
    }

    /// What the steps need, and what the workload is to have.
    fn init_capabilities(&self) -> Capabilities {
        let sets = &self.container.identity.capabilities;
        FOR_SET_UP | sets.permitted | sets.inheritable | sets.bounding
    }

    /// A user namespace first: it gives the right to enter the others.
    fn join(&mut self) {
        let mut joined = self.container.namespaces.joined.clone();
        joined.sort_by_key(|(kinds, _)| !kinds.contains(Namespaces::USER));
        for (kinds, source) in joined {
            if kinds.contains(Namespaces::USER) && self.facts.caller.privileged {
                // Inside they could not be dropped any more, and would open root's files to the workload.
                self.push(Step::Groups { gids: Vec::new() });
            }
            let fd = self.resource(Resource::Namespace(source.0));
            self.push(Step::JoinNamespace { fd, kinds: kinds.bits() });
        }
    }

    fn init_identity(&mut self) {
        let maps = self.plan.id_maps.clone();
        if let Some(maps) = &maps {
            let (uid, gid) = self.init_ids(maps);
            let groups = u32::from(maps.may_set_groups());
            self.push(Step::InitIdentity { uid, gid, groups });
        } else if self.container.namespaces.joined_kinds().contains(Namespaces::USER) {
            let (uid, gid) = self.workload_ids();
            self.push(Step::InitIdentity { uid, gid, groups: 0 });
        }
    }

    /// Root inside where that is mapped, so that what init makes is not the workload's to change.
    pub(super) fn init_ids(&self, maps: &IdMaps) -> (u32, u32) {
        let (uid, gid) = self.workload_ids();
        let root = maps.maps_user(0) && maps.maps_group(0);
        if root { (0, 0) } else { (uid, gid) }
    }

    /// Some steps work through the host's /proc.
    fn needs_host_proc(&self) -> bool {
        let clock = self.container.namespaces.clock;
        !self.plan.own_pid_namespace
            || [clock.monotonic, clock.boottime] != [0, 0]
            || self.container.identity.oom_score_adj.is_some()
    }

    /// Host name, loopback and clocks.
    pub(super) fn namespace_settings(&mut self) -> Result<()> {
        let new = self.container.namespaces.new;
        if new.contains(Namespaces::UTS) {
            self.push(Step::HostName { name: c_string("hostname", self.container.host_name())? });
        }
        if new.contains(Namespaces::NET) {
            self.push(Step::Loopback {});
        }
        if new.contains(Namespaces::TIME) {
            self.push(Step::Unshare { kinds: Namespaces::TIME.bits() });
            self.clock_offsets();
        }
        Ok(())
    }

    fn clock_offsets(&mut self) {
        let clock = self.container.namespaces.clock;
        if [clock.monotonic, clock.boottime] != [0, 0] {
            let lines =
                digits(format_args!("monotonic {} 0\nboottime {} 0\n", clock.monotonic, clock.boottime));
            self.push(Step::TimeOffsets { lines });
            self.plan.clock_offset = clock.monotonic * 1_000_000_000;
        }
    }
}
