//! A run of a container, as most measurements make it.

use std::path::Path;
use std::time::Duration;

use cofferdam::Container;

use super::measure;

/// Where the workload is inside its container.
pub const PLACE: &str = "/workload";

/// A container with the defaults, and a workload.
pub fn container(program: &Path) -> Container {
    Container::new().command(PLACE).bind_read_only(program, PLACE)
}

/// Runs it, which must succeed.
pub fn contained(container: &Container) -> Duration {
    measure::time(|| {
        let report = container.spawn().and_then(|mut child| child.wait()).expect("a run");
        assert!(report.success(), "the workload ended with {}", report.status());
    })
}
