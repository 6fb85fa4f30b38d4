//! What the groups have counted.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::group::Groups;
use super::hierarchy::{Controller, Version};
use super::layout::GroupPlan;
use super::read;
use crate::usage::{Figure, Pressure, Stall, Usage};

/// Fills in what the groups know, in place of what is there. `setup` is the CPU time of the set-up, which does
/// not count.
impl Groups {
    pub fn fill_in(&self, usage: &mut Usage, setup: Duration) {
        self.cpu_time(usage, setup);
        if let Some(group) = self.with(Controller::Memory) {
            memory(group, usage);
        }
        if let Some(group) = self.with(Controller::Pids) {
            let directory = &group.directory;
            usage.pids_peak = number(directory, "pids.peak").or(usage.pids_peak);
            usage.pids_limit_hits = field(directory, "pids.events", "max");
        }
        if let Some(group) = self.with(Controller::Cpu) {
            throttling(group, usage);
        }
        if let Some(group) = self.with(Controller::Io) {
            io(group, usage);
        }
    }

    /// What is in use now, and what processes wait for.
    pub fn fill_in_present(&self, usage: &mut Usage) {
        if let Some(group) = self.with(Controller::Memory) {
            usage.memory = match group.version {
                Version::V1 => number(&group.directory, "memory.usage_in_bytes"),
                Version::V2 => number(&group.directory, "memory.current"),
            };
        }
        if let Some(group) = self.with(Controller::Pids) {
            usage.pids = number(&group.directory, "pids.current");
        }
        usage.pressure = self.groups.iter().find(|group| group.is_v2()).and_then(pressure);
    }

    fn cpu_time(&self, usage: &mut Usage, setup: Duration) {
        let Some(group) = self.groups.iter().find(|group| group.cpu_meter().is_some()) else { return };
        let directory = &group.directory;
        let without_setup = |time: u64| Duration::from_nanos(time).saturating_sub(setup);
        if group.version == Version::V1 {
            let Some(total) = number(directory, "cpuacct.usage") else { return };
            let total = without_setup(total.value);
            let [user, system] = ["cpuacct.usage_user", "cpuacct.usage_sys"]
                .map(|file| number(directory, file).map_or(0, |figure| figure.value));
            let user = portion(total, user, system);
            usage.cpu_time = Some(Figure::new(total, "cpuacct.usage"));
            usage.user_time = Some(Figure::new(user, "cpuacct.usage_user"));
            usage.system_time = Some(Figure::new(total - user, "cpuacct.usage_sys"));
            return;
        }
        let stat = read(directory, "cpu.stat").unwrap_or_default();
        let figure = |name, place: usize| {
            let now = named(&stat, name)?;
            self.seen[place].store(now, Relaxed);
            let time = Duration::from_micros(now.saturating_sub(self.base[place]));
            Some(Figure::new(time.saturating_sub(setup), "cpu.stat"))
        };
        usage.cpu_time = figure("usage_usec", 0).or(usage.cpu_time);
        usage.system_time = figure("system_usec", 1).or(usage.system_time);
        // The two are to add up to the whole.
        let user = usage.cpu_time.zip(usage.system_time);
        let user = user.map(|(cpu, system)| Figure::new(cpu.value.saturating_sub(system.value), "cpu.stat"));
        usage.user_time = user.or(usage.user_time);
    }

    /// Whether the container reached its own memory limit, and the kernel killed a process for it or refused it
    /// memory. A process of the container that is killed because a group above has reached its limit, or the
    /// machine its end, is a kill as any other. `usage` has been filled in.
    pub fn out_of_memory(&self, usage: &Usage) -> bool {
        let Some(group) = self.with(Controller::Memory) else { return false };
        match group.version {
            Version::V1 => happened(usage.oom_kills) && was_full(&group.directory, usage.memory_peak),
            Version::V2 => happened(field(&group.directory, "memory.events", "oom")),
        }
    }

    /// Whether the container was refused a process at its own limit, not at that of a group above. `usage` has
    /// been filled in.
    pub fn pids_refused(&self, usage: &Usage) -> bool {
        let Some(group) = self.with(Controller::Pids) else { return false };
        let was_full = || {
            let limit = number(&group.directory, "pids.max");
            limit.zip(usage.pids_peak).is_none_or(|(limit, peak)| peak.value >= limit.value)
        };
        happened(usage.pids_limit_hits) && was_full()
    }
}

/// Whether something was counted at least once.
fn happened(figure: Option<Figure<u64>>) -> bool {
    figure.is_some_and(|figure| figure.value > 0)
}

/// The share of the first of two figures, which are counted in ticks, in a time that is exact. With no tick at all
/// the whole is its own.
fn portion(total: Duration, first: u64, second: u64) -> Duration {
    match first + second {
        0 => total,
        both => Duration::from_nanos((total.as_nanos() * u128::from(first) / u128::from(both)) as u64),
    }
}

fn memory(group: &GroupPlan, usage: &mut Usage) {
    let directory = &group.directory;
    let peak = match group.version {
        Version::V1 => number(directory, "memory.max_usage_in_bytes"),
        Version::V2 => number(directory, "memory.peak"),
    };
    usage.memory_peak = peak.or(usage.memory_peak);
    usage.memory_limit_hits = match group.version {
        Version::V1 => number(directory, "memory.failcnt"),
        Version::V2 => field(directory, "memory.events", "max"),
    };
    let oom_file = match group.version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    usage.oom_kills = field(directory, oom_file, "oom_kill");
}

/// Whether a group of v1 has been at its limit, but for what the kernel charges at once. `memory.failcnt` does not
/// tell: where there is to be no swap, the limit of memory and swap together is reached first, which nothing counts.
fn was_full(directory: &Path, peak: Option<Figure<u64>>) -> bool {
    const AT_ONCE: u64 = 256 << 10;
    let limit = number(directory, "memory.limit_in_bytes");
    limit.zip(peak).is_none_or(|(limit, peak)| peak.value.saturating_add(AT_ONCE) >= limit.value)
}

fn throttling(group: &GroupPlan, usage: &mut Usage) {
    let stat = read(&group.directory, "cpu.stat").unwrap_or_default();
    let periods = named(&stat, "nr_throttled");
    let time = match group.version {
        Version::V1 => named(&stat, "throttled_time").map(Duration::from_nanos),
        Version::V2 => named(&stat, "throttled_usec").map(Duration::from_micros),
    };
    usage.throttled_periods = periods.map(|periods| Figure::new(periods, "cpu.stat"));
    usage.throttled_time = time.map(|time| Figure::new(time, "cpu.stat"));
}

fn io(group: &GroupPlan, usage: &mut Usage) {
    const V1: &str = "blkio.throttle.io_service_bytes";
    let (source, [read_bytes, written]) = match group.version {
        Version::V1 => (V1, read(&group.directory, V1).map_or([0, 0], |text| sum_of_v1(&text))),
        Version::V2 => ("io.stat", read(&group.directory, "io.stat").map_or([0, 0], |text| sum_of_v2(&text))),
    };
    usage.io_read = Some(Figure::new(read_bytes, source));
    usage.io_written = Some(Figure::new(written, source));
}

/// Lines such as `8:0 Read 4096`.
fn sum_of_v1(text: &str) -> [u64; 2] {
    let sum = |kind: &str| {
        let value = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            (words.next()? == kind).then(|| words.next()?.parse::<u64>().ok())?
        };
        text.lines().filter_map(value).sum()
    };
    [sum("Read"), sum("Write")]
}

/// Lines such as `8:0 rbytes=4096 wbytes=0 rios=1 …`.
fn sum_of_v2(text: &str) -> [u64; 2] {
    let sum = |key: &str| {
        let value = |word: &str| word.strip_prefix(key)?.parse::<u64>().ok();
        text.split_whitespace().filter_map(value).sum()
    };
    [sum("rbytes="), sum("wbytes=")]
}

fn pressure(group: &GroupPlan) -> Option<Pressure> {
    let stall = |file| read(&group.directory, file).map(|text| parse_stall(&text));
    Some(Pressure {
        cpu: stall("cpu.pressure")?,
        memory: stall("memory.pressure")?,
        io: stall("io.pressure")?,
    })
}

/// Two lines, `some` and `full`, such as `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
fn parse_stall(text: &str) -> Stall {
    let value = |line: &str, key: &str| {
        let line = text.lines().find(|known| known.starts_with(line))?;
        line.split_whitespace().find_map(|word| word.strip_prefix(key)).map(str::to_owned)
    };
    let total = |line| value(line, "total=").and_then(|total| total.parse().ok()).unwrap_or_default();
    Stall {
        some_avg10: value("some", "avg10=").and_then(|share| share.parse().ok()).unwrap_or_default(),
        some_total: Duration::from_micros(total("some")),
        full_total: Duration::from_micros(total("full")),
    }
}

/// A file that holds one number.
fn number(directory: &Path, file: &'static str) -> Option<Figure<u64>> {
    Some(Figure::new(read(directory, file)?.trim().parse().ok()?, file))
}

/// A line of a file of names and numbers.
fn field(directory: &Path, file: &'static str, name: &str) -> Option<Figure<u64>> {
    Some(Figure::new(named(&read(directory, file)?, name)?, file))
}

fn named(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_not_taken_for_longer_ones() {
        let text = "oom 3\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(
            (named(text, "oom"), named(text, "oom_kill"), named(text, "kill")),
            (Some(3), Some(1), None)
        );
    }

    #[test]
    fn bytes_of_all_devices_are_summed() {
        let v1 = "254:0 Read 8192\n254:0 Write 4096\n254:0 Sync 1\n8:0 Read 1\nTotal 12289\n";
        let v2 = "254:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n8:0 rbytes=1 wbytes=0\n";

        assert_eq!(sum_of_v1(v1), [8193, 4096]);
        assert_eq!(sum_of_v2(v2), [8193, 4096]);
    }

    #[test]
    fn an_exact_time_is_portioned_by_ticks() {
        let total = Duration::from_millis(9);
        assert_eq!(portion(total, 8, 4), Duration::from_millis(6));
        assert_eq!(portion(total, 0, 4), Duration::ZERO);
        assert_eq!(portion(total, 0, 0), total);
    }

    #[test]
    fn pressure_is_read() {
        let text = "some avg10=1.50 avg60=0.20 avg300=0.00 total=42\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";

        let stall = parse_stall(text);

        assert_eq!(
            (stall.some_avg10, stall.some_total.as_micros(), stall.full_total.as_micros()),
            (1.5, 42, 7)
        );
        assert_eq!(parse_stall("nonsense"), Stall::default());
    }
}
