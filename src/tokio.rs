//! The handle for programs on the [Tokio](https://tokio.rs) runtime, with the cargo feature `tokio`.
//!
//! [`Container::spawn_async`](crate::Container::spawn_async) starts a container and gives a [`Child`] whose waits are
//! futures and whose standard streams are Tokio's pipes; [`output_async`](crate::Container::output_async) and
//! [`status_async`](crate::Container::status_async) run one to its end.
//!
//! ```
//! use cofferdam::{Container, Stdio};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> std::io::Result<()> {
//!     let sort = Container::new().command("sort").stdin(Stdio::piped()).stdout(Stdio::piped());
//!     let mut child = sort.spawn_async().await?;
//!     let mut stdin = child.stdin.take().expect("a pipe");
//!     stdin.write_all(b"b\na\n").await?;
//!     drop(stdin);
//!     let mut sorted = String::new();
//!     child.stdout.take().expect("a pipe").read_to_string(&mut sorted).await?;
//!     assert_eq!(sorted, "a\nb\n");
//!     assert!(child.wait().await?.success());
//!     Ok(())
//! }
//! ```
//!
//! # The runtime
//!
//! Either flavour serves, with I/O enabled (`enable_io`, or `enable_all`, as `#[tokio::main]` has it); its timer is not
//! needed. Outside a runtime the calls are an [`Error`](crate::Error) with the step `runtime`. In one without I/O
//! Tokio panics.
//!
//! No thread is started, and none waits: the end of a container is awaited by the pidfd of its init, the streams by
//! their pipes. So one thread can hold thousands of containers. Each costs the descriptors that the blocking handle
//! costs, and, where it has no PID namespace of its own, one for a timer.
//!
//! What the executor's thread does in place is bounded:
//!
//! - Of a start everything up to the clone of init, and the writing of id maps: about a millisecond, and a few more where
//!   newuidmap(1) is needed. The set-up inside, by init, is awaited.
//! - Of a run in a pool: sending it, with the descriptors of its files, which init reads at once, and changing limits of
//!   its groups. A free slot, its renewal, the files' copies and the start are awaited.
//! - When a container has ended: reading the figures of its cgroups and removing them, some tens of microseconds each.
//! - Changing limits, and figures of a running container: reading or writing a few small files.
//!
//! # Dropping
//!
//! A future that is dropped before it is ready leaves nothing behind. A start that is dropped midway ends what was
//! begun. [`Child::wait`] can be called again. Where a container is dropped, with its handle or with a future that has
//! it, it is killed at once, and a task of the runtime takes away what is left a moment later.
pub use crate::host::tokio::{Child, Exec, Notifier};
