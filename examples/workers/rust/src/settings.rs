//! Settings from the environment; the README has the defaults.

use std::env;
use std::process;

pub struct Settings {
    pub url: String,
    pub namespace: String,
    pub queues: Vec<String>,
    pub concurrency: usize,
    pub lease_ms: u64,
    pub grace_ms: u64,
    pub name: String,
}

impl Settings {
    pub fn from_environment() -> Settings {
        let queues = setting("QUEUES", "default");
        Settings {
            url: setting("REDIS_URL", "redis://localhost:6379/0"),
            namespace: setting("NAMESPACE", "jobwire"),
            queues: queues.split(',').map(String::from).collect(),
            concurrency: number("CONCURRENCY", 8) as usize,
            lease_ms: number("LEASE_MS", 15000),
            grace_ms: number("GRACE_MS", 25000),
            name: setting("WORKER", &format!("rust-{}", process::id())),
        }
    }
}

fn setting(name: &str, otherwise: &str) -> String {
    env::var(format!("JOBWIRE_{name}")).unwrap_or_else(|_| otherwise.into())
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = setting(name, &otherwise.to_string());
    text.parse().unwrap_or_else(|_| panic!("JOBWIRE_{name}: expected a number, got {text:?}"))
}
