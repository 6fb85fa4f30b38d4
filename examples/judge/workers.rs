//! Work on all CPUs: one thread for each, which takes one piece of work after the other.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::failure::Failure;
use crate::limits::Seat;

/// Does the work on all items, which are started in their order, and returns what came of them in the same order.
/// A thread has one seat, and what it runs has that seat's CPU to itself.
pub fn each<T: Sync, R: Send>(
    seats: &[Seat],
    items: &[T],
    work: impl Fn(Seat, usize, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for seat in seats.iter().take(items.len()) {
            scope.spawn(|| {
                let take = || next.fetch_add(1, Ordering::Relaxed);
                while let Some((place, item)) =
                    Some(take()).and_then(|place| Some((place, items.get(place)?)))
                {
                    let result = work(*seat, place, item);
                    results.lock().expect("no thread panics with it").push((place, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no thread panics with it");
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The CPUs that this program may run on, from `/proc/self/status`.
pub fn usable_cpus() -> Result<Vec<usize>, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let cpus = list.and_then(|list| cpu_list(list.trim()));
    cpus.ok_or_else(|| Failure::new("/proc/self/status does not tell which CPUs there are; --cpus can"))
}

/// `0-2,5` is 0, 1, 2 and 5.
fn cpu_list(list: &str) -> Option<Vec<usize>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
    Some(ranges?.into_iter().flatten().collect())
}
