//! The worker, with the handlers of the conformance suite.

#[path = "../conformance.rs"]
mod conformance;

use jobwire_worker::settings::Settings;
use jobwire_worker::worker::Worker;

fn main() -> std::io::Result<()> {
    Worker::main(Settings::from_environment(), conformance::handlers(), || println!("ready"))
}
