//! A worker, a producer and a codec of SPEC.md.

pub mod codec;
pub mod handlers;
mod job;
pub mod producer;
pub mod scripts;
pub mod settings;
pub mod value;
pub mod worker;
