//! A Jobwire producer: enqueue, wait, cancel.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, Once};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::{Connection, Value as Reply};

use crate::codec::{Problem, Rejected, enqueue_arguments, integer_of, present_throughout, read_outcome, text_of, validate, write_error};
use crate::scripts::{Fatal, Scripts, bytes, text};
use crate::value::{Encoding, Fields, Unwritable, object};

/// A job, by its queue and its id.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Reference {
    pub queue: String,
    pub id: String,
}

#[derive(Debug)]
pub enum Waited {
    Outcome(Fields),
    TimedOut,
    Gone,
}

#[derive(Debug)]
pub enum Refusal {
    Rejected(Rejected),
    Unwritable(Unwritable),
    Server(String),
}

impl From<Fatal> for Refusal {
    fn from(Fatal(error): Fatal) -> Refusal {
        Refusal::Server(error)
    }
}

/// Enqueues jobs of one namespace and waits for their outcomes.
pub struct Producer {
    scripts: Scripts,
    loading: Once,
    /// Whether an outcome is kept of what was enqueued here.
    confirmed: Mutex<HashMap<Reference, bool>>,
}

impl Producer {
    /// Connect with the first call.
    pub fn new(url: &str, namespace: &str) -> io::Result<Producer> {
        Ok(Producer { scripts: Scripts::new(url, namespace, false)?, loading: Once::new(), confirmed: Mutex::default() })
    }

    /// Enqueue a job: accepted, duplicate, finished, failed or refused. What is left out has its default. [PROD-1..5]
    pub fn enqueue(&self, job: Fields, encoding: Encoding) -> Result<String, Refusal> {
        let envelope = envelope(job).map_err(Refusal::Rejected)?;
        let arguments = enqueue_arguments(&envelope, encoding).map_err(Refusal::Unwritable)?;
        let reference = Reference { queue: text_of(&envelope, "queue"), id: text_of(&envelope, "id") };
        let (reply, resent) = self.call("enqueue", &reference, &arguments)?;
        let status = text(&reply[1]);
        if status != "refused" {
            self.confirmed.lock().unwrap().insert(reference, integer_of(&envelope, "result_ttl_ms", 600_000) > 0);
        }
        // Sent twice: it was perhaps the first that counted. [PROD-4]
        let mine = resent && ["duplicate", "finished", "failed"].contains(&status.as_str());
        Ok(if mine { "accepted".into() } else { status })
    }

    /// Ask a job to stop: cancelled, requested, finished or unknown.
    pub fn cancel(&self, job: &Reference) -> Result<String, Refusal> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        let outcome = object([
            ("jobwire", "1.0".into()),
            ("id", job.id.as_str().into()),
            ("state", "cancelled".into()),
            ("attempt", 0.into()),
            ("finished_at", now.into()),
        ]);
        let document = write_error(outcome, &Problem::new("cancelled", "cancelled by its producer"), Encoding::Json);
        let (reply, resent) = self.call("cancel", job, &[job.id.as_bytes(), &document, b"3600000"])?;
        let status = text(&reply[1]);
        Ok(if resent && status == "finished" { "cancelled".into() } else { status })
    }

    /// Wait for the outcome of a job, or of a workflow: all its ids, first to last. [WAIT-1..5] [FLOW-16..18]
    pub fn wait(&self, jobs: &[Reference], timeout: Duration) -> Result<Waited, Refusal> {
        let end = Instant::now() + timeout;
        let kept: Vec<Option<bool>> = jobs.iter().map(|job| self.confirmed.lock().unwrap().get(job).copied()).collect();
        if kept.last() == Some(&Some(false)) {
            return Err(Refusal::Rejected(keeps_nothing())); // [WAIT-6]
        }
        let mut pushes = self.subscribe(jobs);
        let mut seen = kept.iter().any(Option::is_some);
        while Instant::now() < end {
            let mut known = false;
            for (index, job) in jobs.iter().enumerate() {
                let (reply, _) = self.call("look", job, &[job.id.as_bytes()])?;
                let state = text(&reply[1]);
                known |= state != "unknown";
                if state == "finished" || state == "failed" {
                    let outcome = read_outcome(bytes(&reply[3])).map_err(Refusal::Rejected)?;
                    // Another than the last ends the wait only by not succeeding. [FLOW-17]
                    if index + 1 == jobs.len() || text_of(&outcome, "state") != "succeeded" {
                        return Ok(Waited::Outcome(outcome));
                    }
                }
            }
            if seen && !known {
                return Ok(Waited::Gone);
            }
            seen |= known;
            pause(&mut pushes, end);
        }
        Ok(Waited::TimedOut)
    }

    /// Subscribe, if it is allowed: else the wait goes on by looking. [WAIT-2]
    fn subscribe(&self, jobs: &[Reference]) -> Option<Connection> {
        let mut connection = self.scripts.connect().ok()?;
        for job in jobs {
            let channel = self.scripts.key(&job.queue, &format!("result:{}", job.id));
            connection.send_packed_command(&redis::cmd("SSUBSCRIBE").arg(channel).get_packed_command()).ok()?;
            connection.recv_response().ok()?;
        }
        Some(connection)
    }

    fn call<A: AsRef<[u8]>>(&self, name: &str, job: &Reference, arguments: &[A]) -> Result<(Vec<Reply>, bool), Fatal> {
        self.loading.call_once(|| drop(self.scripts.load())); // what fails here, a call finds out
        self.scripts.call(name, &self.scripts.keys(&job.queue, &[&job.id]), arguments)
    }
}

fn keeps_nothing() -> Rejected {
    Rejected { code: "invalid", message: "no outcome of it is kept".into(), field: Some("result_ttl_ms".into()) }
}

/// Wait for a push, a second, or the end.
fn pause(pushes: &mut Option<Connection>, end: Instant) {
    let left = end.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), Duration::from_secs(1));
    match pushes {
        Some(connection) => {
            let began = Instant::now();
            let pushed = connection.set_read_timeout(Some(left)).and_then(|()| connection.recv_response());
            if pushed.is_err() && began.elapsed() < left / 2 {
                *pushes = None; // the connection is lost
            }
        }
        None => sleep(left),
    }
}

/// A job as an envelope: checked, what is null left out, jobwire and queue filled in.
pub fn envelope(job: Fields) -> Result<Fields, Rejected> {
    let mut envelope = object([("jobwire", "1.0".into()), ("queue", "default".into())]);
    envelope.extend(present_throughout(job));
    validate(&envelope)?;
    Ok(envelope)
}
