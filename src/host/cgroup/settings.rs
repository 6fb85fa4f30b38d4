//! Which value goes to which file, for each limit and version.

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::hierarchy::{Controller, Version};
use super::place::Place;
use super::{STEP, read};
use crate::config::limits::{HugetlbLimit, Limits};
use crate::config::{IoLimit, Limit};
use crate::error::{Error, ErrorKind, Result};

/// The period in which CPU time is portioned out, in microseconds: the kernel's default.
const CPU_PERIOD: u64 = 100_000;
/// What a group gets unless set: `cpu.shares` of v1, `cpu.weight` of v2.
const USUAL_SHARES: u64 = 1024;
const USUAL_WEIGHT: u64 = 100;
/// The largest weight under BFQ.
const BFQ_WEIGHT: u64 = 1000;

/// A value to be written to a file of a group.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub limit: Limit,
    pub file: Cow<'static, str>,
    pub value: String,
    /// The name of the mechanism in reports; `None` for what only prepares another setting.
    pub mechanism: Option<&'static str>,
    /// The file need not exist: without swap there is nothing to limit.
    pub optional: bool,
}

/// A setting by which a limit is known.
fn main(limit: Limit, file: &'static str, value: impl ToString) -> Setting {
    Setting { limit, file: file.into(), value: value.to_string(), mechanism: Some(file), optional: false }
}

fn side(limit: Limit, file: &'static str, value: impl ToString) -> Setting {
    Setting { mechanism: None, ..main(limit, file, value) }
}

/// The controllers that the limits need.
pub(super) fn wanted(limits: &Limits) -> Vec<(Limit, Controller)> {
    let all = [
        (Limit::Memory, Controller::Memory, limits.memory.is_some()),
        (Limit::Pids, Controller::Pids, limits.pids.is_some()),
        (Limit::Cpus, Controller::Cpu, limits.cpus.is_some()),
        (Limit::CpuWeight, Controller::Cpu, limits.cpu_weight.is_some()),
        (Limit::Cpuset, Controller::Cpuset, limits.cpuset.is_some()),
        (Limit::Io, Controller::Io, !limits.io.is_empty()),
        (Limit::IoWeight, Controller::Io, limits.io_weight.is_some()),
        (Limit::Hugetlb, Controller::Hugetlb, !limits.hugetlb.is_empty()),
    ];
    all.into_iter().filter(|(.., wanted)| *wanted).map(|(limit, controller, _)| (limit, controller)).collect()
}

/// What is to be written for one limit, which is set, at this place.
pub(super) fn settings(limits: &Limits, limit: Limit, place: &Place) -> Result<Vec<Setting>> {
    let version = place.version;
    Ok(match limit {
        Limit::Memory => memory(limits.memory.unwrap_or_default(), limits.swap, version),
        Limit::Pids => vec![pids(limits.pids.unwrap_or_default())],
        Limit::Cpus => cpus(limits.cpus.unwrap_or_default(), version),
        Limit::CpuWeight => vec![cpu_weight(limits.cpu_weight.unwrap_or_default(), version)],
        Limit::Cpuset => cpuset(limits.cpuset.as_deref().unwrap_or_default(), place)?,
        Limit::Io => {
            let devices = limits.io.iter().map(|limit| io(limit, version));
            devices.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()
        }
        Limit::IoWeight => vec![io_weight(limits.io_weight.unwrap_or_default(), version)?],
        Limit::Hugetlb => limits.hugetlb.iter().map(|limit| hugetlb(*limit, version)).collect(),
        _ => Vec::new(),
    })
}

/// On v1 the second value bounds memory and swap together.
pub(super) fn memory(bytes: u64, swap: Option<u64>, version: Version) -> Vec<Setting> {
    let none = swap.unwrap_or_default() == 0;
    let (limit, file, value) = match version {
        Version::V1 => {
            let both = bytes.saturating_add(swap.unwrap_or_default());
            ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", both)
        }
        Version::V2 => ("memory.max", "memory.swap.max", swap.unwrap_or_default()),
    };
    let swap_setting = match swap {
        Some(_) => main(Limit::Swap, file, value),
        None => side(Limit::Swap, file, value),
    };
    vec![main(Limit::Memory, limit, bytes), Setting { optional: none, ..swap_setting }]
}

/// `PID_MAX_LIMIT`: there are no more process ids, and the kernel takes no larger number.
const MOST_PIDS: u64 = 1 << 22;

pub(super) fn pids(count: u64) -> Setting {
    main(Limit::Pids, "pids.max", count.min(MOST_PIDS))
}

pub(super) fn cpus(cpus: f64, version: Version) -> Vec<Setting> {
    let quota = (cpus * CPU_PERIOD as f64).round() as u64;
    match version {
        Version::V1 => vec![
            side(Limit::Cpus, "cpu.cfs_period_us", CPU_PERIOD),
            main(Limit::Cpus, "cpu.cfs_quota_us", quota),
        ],
        Version::V2 => vec![main(Limit::Cpus, "cpu.max", format!("{quota} {CPU_PERIOD}"))],
    }
}

pub(super) fn cpu_weight(weight: u64, version: Version) -> Setting {
    match version {
        Version::V1 => main(Limit::CpuWeight, "cpu.shares", (weight * USUAL_SHARES / USUAL_WEIGHT).max(2)),
        Version::V2 => main(Limit::CpuWeight, "cpu.weight", weight),
    }
}

/// A new group of v1 has neither CPUs nor memory nodes, and can have no process before it has both.
fn cpuset(cpus: &[usize], place: &Place) -> Result<Vec<Setting>> {
    let list = cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let cpus = main(Limit::Cpuset, "cpuset.cpus", list);
    if place.version == Version::V2 {
        return Ok(vec![cpus]);
    }
    let nodes = read(&place.base, "cpuset.effective_mems").or_else(|| read(&place.base, "cpuset.mems"));
    let nodes = nodes.unwrap_or_default();
    if nodes.trim().is_empty() {
        let subject = format!("{} has no memory nodes to pass on", place.base.display());
        let error = Error::new(ErrorKind::LimitUnavailable, STEP, subject);
        return Err(error.with_remedy("write some to its `cpuset.mems`"));
    }
    Ok(vec![cpus, side(Limit::Cpuset, "cpuset.mems", nodes.trim())])
}

fn io(limit: &IoLimit, version: Version) -> Result<Vec<Setting>> {
    let device = device_number(&limit.device)?;
    let set = limit.bounds().into_iter().filter_map(|(name, value)| Some((name, value?)));
    Ok(match version {
        Version::V1 => {
            let file = |name| match name {
                "rbps" => "blkio.throttle.read_bps_device",
                "wbps" => "blkio.throttle.write_bps_device",
                "riops" => "blkio.throttle.read_iops_device",
                _ => "blkio.throttle.write_iops_device",
            };
            set.map(|(name, value)| main(Limit::Io, file(name), format!("{device} {value}"))).collect()
        }
        Version::V2 => {
            let values: Vec<_> = set.map(|(name, value)| format!("{name}={value}")).collect();
            vec![main(Limit::Io, "io.max", format!("{device} {}", values.join(" ")))]
        }
    })
}

fn device_number(path: &Path) -> Result<String> {
    let subject = || format!("the device {}", path.display());
    let metadata = fs::metadata(path).map_err(|error| Error::io(STEP, subject(), &error))?;
    if !metadata.file_type().is_block_device() {
        return Err(Error::invalid(STEP, format!("{} is no block device", path.display())));
    }
    let number = metadata.rdev();
    Ok(format!("{}:{}", libc::major(number), libc::minor(number)))
}

/// A weight is written anywhere, and counts only where something heeds it.
fn io_weight(weight: u64, version: Version) -> Result<Setting> {
    let bfq = weight.min(BFQ_WEIGHT);
    match version {
        Version::V1 if any_disk_under_bfq() => Ok(main(Limit::IoWeight, "blkio.bfq.weight", bfq)),
        Version::V2 if any_disk_under_bfq() => Ok(main(Limit::IoWeight, "io.bfq.weight", bfq)),
        Version::V2 if io_cost_is_on() => Ok(main(Limit::IoWeight, "io.weight", format!("default {weight}"))),
        _ => {
            let subject = "no disk heeds weights of groups";
            let error = Error::new(ErrorKind::LimitUnavailable, STEP, subject);
            Err(error.with_remedy(
                "put the disk under the scheduler BFQ (`echo bfq > /sys/block/DISK/queue/scheduler`), or on \
                 cgroup v2 enable `io.cost.qos` for it",
            ))
        }
    }
}

fn any_disk_under_bfq() -> bool {
    let Ok(disks) = fs::read_dir("/sys/block") else { return false };
    let scheduler = |disk: fs::DirEntry| fs::read_to_string(disk.path().join("queue/scheduler")).ok();
    disks.flatten().filter_map(scheduler).any(|schedulers| schedulers.contains("[bfq]"))
}

/// Only the root group says so.
fn io_cost_is_on() -> bool {
    fs::read_to_string("/sys/fs/cgroup/io.cost.qos").is_ok_and(|text| text.contains("enable=1"))
}

fn hugetlb(limit: HugetlbLimit, version: Version) -> Setting {
    let size = match limit.page_size {
        size if size >= 1 << 30 => format!("{}GB", size >> 30),
        size if size >= 1 << 20 => format!("{}MB", size >> 20),
        size => format!("{}KB", size >> 10),
    };
    let (file, mechanism) = match version {
        Version::V1 => (format!("hugetlb.{size}.limit_in_bytes"), "hugetlb.limit_in_bytes"),
        Version::V2 => (format!("hugetlb.{size}.max"), "hugetlb.max"),
    };
    Setting { file: file.into(), ..main(Limit::Hugetlb, mechanism, limit.bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(settings: Vec<Setting>) -> Vec<(String, String)> {
        settings.into_iter().map(|setting| (setting.file.into_owned(), setting.value)).collect()
    }

    fn pair(file: &str, value: &str) -> (String, String) {
        (file.into(), value.into())
    }

    #[test]
    fn memory_comes_without_swap_unless_asked_for() {
        assert_eq!(
            written(memory(4096, None, Version::V2)),
            [pair("memory.max", "4096"), pair("memory.swap.max", "0")]
        );
        assert_eq!(
            written(memory(4096, Some(4096), Version::V1)),
            [pair("memory.limit_in_bytes", "4096"), pair("memory.memsw.limit_in_bytes", "8192")]
        );
    }

    #[test]
    fn swap_that_was_asked_for_must_be_there() {
        assert!(memory(4096, None, Version::V2)[1].optional);
        assert!(!memory(4096, Some(4096), Version::V2)[1].optional);
    }

    #[test]
    fn cpus_are_a_quota_of_a_period() {
        assert_eq!(written(cpus(1.5, Version::V2)), [pair("cpu.max", "150000 100000")]);
        assert_eq!(written(cpus(0.01, Version::V1))[1], pair("cpu.cfs_quota_us", "1000"));
    }

    #[test]
    fn a_usual_weight_is_a_usual_share() {
        assert_eq!(cpu_weight(100, Version::V1).value, "1024");
        assert_eq!(cpu_weight(1, Version::V1).value, "10");
        assert_eq!(cpu_weight(10_000, Version::V2).value, "10000");
    }

    #[test]
    fn huge_pages_are_named_by_their_size() {
        let file = |page_size, version| hugetlb(HugetlbLimit { page_size, bytes: 0 }, version).file;
        assert_eq!(file(2 << 20, Version::V2), "hugetlb.2MB.max");
        assert_eq!(file(1 << 30, Version::V1), "hugetlb.1GB.limit_in_bytes");
        assert_eq!(file(64 << 10, Version::V2), "hugetlb.64KB.max");
    }

    #[test]
    fn what_is_no_block_device_is_refused() {
        let error =
            io(&IoLimit::new("/dev/null").read_bytes(1), Version::V2).expect_err("a character device");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let error = io(&IoLimit::new("/no/such").read_bytes(1), Version::V2).expect_err("nothing");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
