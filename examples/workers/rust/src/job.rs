//! A claimed job.

use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::codec::{Problem, array_of, decode, integer_of, text_of};
use crate::handlers::Run;
use crate::scripts::{bytes, number, text};
use crate::value::{Fields, object};

/// One claimed job, until its settle is answered.
pub struct Job {
    pub queue: String,
    pub token: String,
    pub taken: bool,
    pub document: Vec<u8>,
    pub envelope: Fields,
    pub rejected: Option<Problem>,
    pub run: Run,
    pub cancelled: AtomicBool,
    pub over: AtomicBool,
    pub ended: AtomicBool,
}

impl Job {
    pub fn new(queue: &str, taken: bool, part: &[redis::Value]) -> Job {
        let (id, token) = (text(&part[0]), text(&part[1]));
        let run = token.split('.').next().and_then(|run| run.parse().ok()).unwrap_or(0);
        let (envelope, rejected, encoding) = match decode(bytes(&part[4])) {
            Ok((envelope, encoding)) => {
                match [("id", &id[..]), ("queue", queue)].iter().find(|(name, value)| text_of(&envelope, name) != *value) {
                    Some((field, value)) => (Fields::new(), Some(Problem::invalid(field, &format!("expected {value} [RUN-6]"))), encoding),
                    None => (envelope, None, encoding),
                }
            }
            Err((rejected, encoding)) => (Fields::new(), Some(rejected.into()), encoding),
        };
        let run = Run::new(&id, &text_of(&envelope, "type"), number(&part[2]), run, encoding);
        let (cancelled, over, ended) = Default::default();
        Job { queue: queue.into(), token, taken, document: bytes(&part[3]).to_vec(), envelope, rejected, run, cancelled, over, ended }
    }

    /// All jobs of a claim have its nonce, and often one token.
    pub fn key(&self) -> String {
        format!("{} {}", self.token, self.run.id)
    }

    pub fn goes_on(&self) -> bool {
        self.envelope.contains_key("join") || !array_of(&self.envelope, "then").is_empty()
    }

    /// How long the outcome is kept; a step's for an hour, so that handing it over again finds it. [RUN-11]
    pub fn ttl(&self) -> i64 {
        let kept = integer_of(&self.envelope, "result_ttl_ms", 600_000);
        if self.envelope.contains_key("parent_id") { kept.max(3_600_000) } else { kept }
    }

    /// An outcome of this run, but for its result or error.
    pub fn outcome(&self, worker: &str, state: &str) -> Fields {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        object([
            ("jobwire", "1.0".into()),
            ("id", self.run.id.as_str().into()),
            ("state", state.into()),
            ("attempt", self.run.attempt.into()),
            ("worker", worker.into()),
            ("finished_at", now.into()),
        ])
    }
}
