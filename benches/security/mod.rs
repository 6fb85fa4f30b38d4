//! The measurements of the bench `security`.

pub mod attach;
pub mod calls;
pub mod cold;
pub mod notify;
pub mod policy;
pub mod work;
