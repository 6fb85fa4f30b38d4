//! Which groups a container needs, decided without changing anything.

use std::path::PathBuf;

use super::hierarchy::{Controller, Version};
use super::name::Maker;
use super::place::{Place, Places};
use super::settings::{Setting, settings, wanted};
use crate::config::Limit;
use crate::config::limits::Limits;
use crate::error::{Error, Result};
use crate::report::Enforcement;

/// A group to be created.
#[derive(Clone, Debug)]
pub(crate) struct GroupPlan {
    pub directory: PathBuf,
    pub(super) version: Version,
    pub(super) controllers: Vec<Controller>,
    pub(super) settings: Vec<Setting>,
}

impl GroupPlan {
    pub fn is_v2(&self) -> bool {
        self.version == Version::V2
    }

    /// The file that tells the CPU time of the group, if it has one.
    pub fn cpu_meter(&self) -> Option<&'static str> {
        match self.version {
            Version::V2 => Some("cpu.stat"),
            Version::V1 if self.controllers.contains(&Controller::Cpuacct) => Some("cpuacct.usage"),
            Version::V1 => None,
        }
    }

    pub fn explain(&self) -> String {
        let directory = self.directory.display();
        let line = |setting: &Setting| format!("cgroup {directory}: {} = {}\n", setting.file, setting.value);
        match self.settings.is_empty() {
            true => format!("cgroup {directory}\n"),
            false => self.settings.iter().map(line).collect(),
        }
    }
}

/// The groups of a container, and the limits that must do without.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub groups: Vec<GroupPlan>,
    /// Limits that no group holds, and that something else is to hold.
    pub fallbacks: Vec<Limit>,
}

impl Layout {
    /// What the groups enforce.
    pub fn enforcement(&self) -> impl Iterator<Item = Enforcement> + '_ {
        let settings = self.groups.iter().flat_map(|group| &group.settings);
        settings.filter_map(|setting| {
            Some(Enforcement { limit: setting.limit, mechanism: setting.mechanism?, strict: true })
        })
    }

    /// The group that tells the CPU time, by number, and its file.
    pub fn cpu_meter(&self) -> Option<(usize, &'static str)> {
        let meter = |(index, group): (usize, &GroupPlan)| Some((index, group.cpu_meter()?));
        self.groups.iter().enumerate().find_map(meter)
    }

    fn add(&mut self, place: Place, name: &str, controller: Option<Controller>, settings: Vec<Setting>) {
        let directory = place.base.join(name);
        let known = self.groups.iter().position(|group| group.directory == directory);
        let index = known.unwrap_or(self.groups.len());
        if known.is_none() {
            let (controllers, settings) = (Vec::new(), Vec::new());
            self.groups.push(GroupPlan { directory, version: place.version, controllers, settings });
        }
        let group = &mut self.groups[index];
        group.controllers.extend(controller);
        group.settings.extend(settings);
    }
}

/// The groups that the limits need; nothing is created.
pub(crate) fn plan(limits: &Limits) -> Result<Layout> {
    let mut layout = Layout::default();
    let wanted = wanted(limits);
    let must_account = limits.cpu_time.is_some() || limits.accounting;
    if wanted.is_empty() && !must_account {
        return Ok(layout);
    }
    let places = Places::find(limits.cgroup_parent.as_deref());
    let name = Maker::this().new_name();
    for (limit, controller) in wanted {
        match places.with(controller) {
            Ok(place) => {
                let settings = settings(limits, limit, &place)?;
                layout.add(place, &name, Some(controller), settings);
            }
            Err(error) => layout.do_without(limit, limits, error)?,
        }
    }
    if must_account || !layout.groups.is_empty() {
        layout.account(&places, &name, limits)?;
    }
    Ok(layout)
}

impl Layout {
    /// `RLIMIT_NPROC` holds the limit of pids as strictly, and serves unless a group was asked for by name; all
    /// else is weaker, and must have been accepted.
    fn do_without(&mut self, limit: Limit, limits: &Limits, error: Error) -> Result<()> {
        match limit {
            Limit::Pids if limits.cgroup_parent.is_none() => {}
            // Nothing weaker holds a limit of swap.
            Limit::Memory if limits.swap.is_some() => return Err(error),
            Limit::Pids | Limit::Memory | Limit::CpuTime | Limit::Cpuset if limits.may_degrade(limit) => {}
            Limit::Memory | Limit::CpuTime | Limit::Cpuset => {
                let remedy = error.remedy().unwrap_or("have a group delegated").to_owned();
                let weaker =
                    format!("{remedy}, or accept a weaker way with `best_effort([Limit::{limit:?}])`");
                return Err(error.with_remedy(weaker));
            }
            _ => return Err(error),
        }
        self.fallbacks.push(limit);
        Ok(())
    }

    /// A container with a group gets one that counts CPU time as well, where there can be one.
    fn account(&mut self, places: &Places, name: &str, limits: &Limits) -> Result<()> {
        match places.with_accounting() {
            Ok(place) => {
                let controller = (place.version == Version::V1).then_some(Controller::Cpuacct);
                self.add(place, name, controller, Vec::new());
                Ok(())
            }
            Err(error) if limits.accounting => Err(error),
            Err(error) if limits.cpu_time.is_some() => self.do_without(Limit::CpuTime, limits, error),
            Err(_) => Ok(()),
        }
    }
}
