//! Ids inside and outside.

use super::Builder;
use crate::config::Namespaces;
use crate::config::identity::{DEFAULT_ID, IdMap, IdMapping};
use crate::error::{Error, Result};

/// The overflow id, which owns nothing on a well-kept host.
pub(crate) const NOBODY: u32 = 65_534;

/// The maps of a new user namespace, and who writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdMaps {
    pub uids: Vec<IdMap>,
    pub gids: Vec<IdMap>,
    pub writer: MapWriter,
}

/// Who writes id maps, which decides what they may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapWriter {
    /// The host, privileged: anything.
    Root,
    /// The host, privileged; to the outside ids the process id of init is added, so that no other
    /// running container has them.
    RootPerRun,
    /// The host, for its own single id. The kernel demands that setgroups(2) is given up for it.
    Own,
    /// newuidmap(1) and newgidmap(1): what /etc/subuid and /etc/subgid grant.
    Helpers,
}

impl MapWriter {
    /// In words, for `explain()`.
    pub fn text(self) -> &'static str {
        match self {
            MapWriter::Root => "the host",
            MapWriter::RootPerRun => "the host, the process id of init added to the outside ids",
            MapWriter::Own => "the host, for its own ids",
            MapWriter::Helpers => "newuidmap and newgidmap",
        }
    }
}

impl IdMaps {
    pub fn maps_user(&self, id: u32) -> bool {
        covers(&self.uids, id)
    }

    pub fn maps_group(&self, id: u32) -> bool {
        covers(&self.gids, id)
    }

    /// Whether setgroups(2) is possible inside.
    pub fn may_set_groups(&self) -> bool {
        self.writer != MapWriter::Own
    }
}

fn covers(maps: &[IdMap], id: u32) -> bool {
    maps.iter().any(|map| id >= map.inside && id - map.inside < map.count)
}

impl IdMap {
    /// The id on the host that an id inside stands for.
    pub(super) fn outside(maps: &[IdMap], id: u32) -> Option<u32> {
        let map = maps.iter().find(|map| covers(std::slice::from_ref(map), id))?;
        Some(map.outside + (id - map.inside))
    }
}

fn single(inside: u32, outside: u32) -> Vec<IdMap> {
    vec![IdMap { inside, outside, count: 1 }]
}

impl Builder<'_> {
    /// The workload's ids inside. Without a user namespace these are ids of the host, and the workload
    /// of root is nobody.
    pub(super) fn workload_ids(&self) -> (u32, u32) {
        let caller = &self.facts.caller;
        match self.container.identity.user {
            Some(ids) => ids,
            None if self.has_user_namespace() => (DEFAULT_ID, DEFAULT_ID),
            None if caller.privileged => (NOBODY, NOBODY),
            None => (caller.uid, caller.gid),
        }
    }

    fn has_user_namespace(&self) -> bool {
        let config = &self.container.namespaces;
        (config.new | config.joined_kinds()).contains(Namespaces::USER)
    }

    /// The maps to be written; `None` where no user namespace is new.
    pub(super) fn id_maps(&self) -> Result<Option<IdMaps>> {
        let mapping = &self.container.identity.mapping;
        if !self.container.namespaces.new.contains(Namespaces::USER) {
            return match mapping {
                IdMapping::Single => Ok(None),
                _ => Err(Error::invalid("id-maps", "an id mapping needs a new user namespace")),
            };
        }
        let (uid, gid) = self.workload_ids();
        let maps = match mapping {
            IdMapping::Single => self.single_map(uid, gid),
            IdMapping::Host { uid: outside_uid, gid: outside_gid } => {
                self.chosen(single(uid, *outside_uid), single(gid, *outside_gid))
            }
            IdMapping::Subordinate => self.subordinate()?,
            IdMapping::Ranges { uids, gids } => self.chosen(uids.clone(), gids.clone()),
        };
        self.check_mapped(&maps, uid, gid)?;
        Ok(Some(maps))
    }

    fn single_map(&self, uid: u32, gid: u32) -> IdMaps {
        let caller = &self.facts.caller;
        match caller.per_run_ids {
            Some(base) if caller.privileged => {
                IdMaps { uids: single(uid, base), gids: single(gid, base), writer: MapWriter::RootPerRun }
            }
            _ if caller.privileged && caller.nobody => {
                IdMaps { uids: single(uid, NOBODY), gids: single(gid, NOBODY), writer: MapWriter::Root }
            }
            _ => IdMaps {
                uids: single(uid, caller.uid),
                gids: single(gid, caller.gid),
                writer: MapWriter::Own,
            },
        }
    }

    /// Maps that the caller named.
    fn chosen(&self, uids: Vec<IdMap>, gids: Vec<IdMap>) -> IdMaps {
        let caller = &self.facts.caller;
        let own = |maps: &[IdMap], id: u32| matches!(maps, [map] if map.count == 1 && map.outside == id);
        let writer = if caller.privileged {
            MapWriter::Root
        } else if own(&uids, caller.uid) && own(&gids, caller.gid) {
            MapWriter::Own
        } else {
            MapWriter::Helpers
        };
        IdMaps { uids, gids, writer }
    }

    fn subordinate(&self) -> Result<IdMaps> {
        let caller = &self.facts.caller;
        let lacking = |file: &str| {
            Error::invalid("id-maps", format!("{file} grants the caller no ids")).with_remedy(format!(
                "add a line such as `name:100000:65536` to {file}, or use another `IdMapping`"
            ))
        };
        let uids = self.subordinate_maps(caller.uid, &caller.subordinate_uids);
        let gids = self.subordinate_maps(caller.gid, &caller.subordinate_gids);
        let uids = uids.ok_or_else(|| lacking("/etc/subuid"))?;
        let gids = gids.ok_or_else(|| lacking("/etc/subgid"))?;
        Ok(self.chosen(uids, gids))
    }

    /// The caller as 0, except that root itself is never mapped, and the granted ranges after it.
    fn subordinate_maps(&self, caller: u32, granted: &[IdMap]) -> Option<Vec<IdMap>> {
        let mut maps = if caller == 0 { Vec::new() } else { single(0, caller) };
        let mut inside = maps.len() as u32;
        if granted.is_empty() {
            return None;
        }
        for range in granted {
            maps.push(IdMap { inside, ..*range });
            inside = inside.checked_add(range.count)?;
        }
        Some(maps)
    }

    fn check_mapped(&self, maps: &IdMaps, uid: u32, gid: u32) -> Result<()> {
        let wrong = |what: String| Err(Error::invalid("id-maps", what));
        if !maps.maps_user(uid) {
            return wrong(format!("the workload's user id {uid} is not mapped"));
        }
        if !maps.maps_group(gid) {
            return wrong(format!("the workload's group id {gid} is not mapped"));
        }
        let groups = &self.container.identity.groups;
        if let Some(group) = groups.iter().find(|group| !maps.maps_group(**group)) {
            return wrong(format!("the supplementary group {group} is not mapped"));
        }
        if !groups.is_empty() && !maps.may_set_groups() {
            let error =
                Error::invalid("groups", "with a single id of its own an ordinary user has no groups");
            return Err(error.with_remedy("use `IdMapping::Subordinate`"));
        }
        Ok(())
    }
}
