//! A claimed job.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    ended: AtomicBool,
    pub handing_over: AtomicBool,
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
        let (cancelled, over, ended, handing_over) = Default::default();
        Job {
            queue: queue.into(),
            token,
            taken,
            document: bytes(&part[3]).to_vec(),
            envelope,
            rejected,
            run,
            cancelled,
            over,
            ended,
            handing_over,
        }
    }

    /// All jobs of a claim have its nonce, and often one token.
    pub fn key(&self) -> String {
        format!("{} {}", self.token, self.run.id)
    }

    /// End the handler's part: whether by its return or its time-out, only the first counts. [RETRY-9]
    pub fn end(&self) -> bool {
        !self.ended.swap(true, SeqCst)
    }

    pub fn ends_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while !self.ended.load(SeqCst) && Instant::now() < end {
            sleep(end.saturating_duration_since(Instant::now()).min(Duration::from_millis(20)));
        }
        self.ended.load(SeqCst)
    }

    /// How deep a result may be that goes into what comes next. [FLOW-4]
    pub fn depth(&self) -> usize {
        match (self.envelope.contains_key("join"), self.goes_on()) {
            (true, _) => 28,
            (false, true) => 30,
            (false, false) => 31,
        }
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

/// The server's time: that of the last claim, and what has passed since.
#[derive(Default)]
pub struct Clock(Mutex<Option<(i64, Instant)>>);

impl Clock {
    pub fn set(&self, server_ms: i64) {
        *self.0.lock().unwrap() = Some((server_ms, Instant::now()));
    }

    pub fn now(&self) -> i64 {
        self.0.lock().unwrap().map_or(0, |(server_ms, then)| server_ms + then.elapsed().as_millis() as i64)
    }
}
