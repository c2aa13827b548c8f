//! A Jobwire worker: profiles core, cancel, progress and workflow of SPEC.md.

use std::collections::HashMap;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::distr::{Alphanumeric, SampleString};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::codec::{Policy, Problem, array_of, enqueue_arguments, integer_of, next_envelope, read_outcome, text_of, write_error};
use crate::handlers::{Handler, Handlers, Told, call};
use crate::job::{Clock, Job};
use crate::scripts::{Fatal, Scripts, bytes, is_fatal, number, text};
use crate::settings::Settings;
use crate::value::{Unwritable, Value, check, read, write};

/// Runs the jobs of its queues.
pub struct Worker {
    settings: Settings,
    handlers: Handlers,
    scripts: Scripts,
    held: Mutex<HashMap<String, Arc<Job>>>,
    running: Mutex<usize>,
    freed: Condvar,
    stopping: AtomicBool,
    claiming: Mutex<()>,
    clock: Clock,
}

impl Worker {
    /// Work until SIGTERM or SIGINT; `ready` is called before the first claim.
    pub fn main(settings: Settings, handlers: Handlers, ready: fn()) -> std::io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let scripts = Scripts::new(&settings.url, &settings.namespace, true)?;
        let (held, running, freed, stopping, claiming, clock) = Default::default();
        let worker = Arc::new(Worker { settings, handlers, scripts, held, running, freed, stopping, claiming, clock });
        let working = worker.clone();
        spawn(move || {
            while working.scripts.load().is_err() {
                sleep(Duration::from_millis(100));
            }
            let beating = working.clone();
            spawn(move || beating.heartbeat());
            ready();
            working.work();
        });
        signals.forever().next();
        let leaving = worker.clone();
        spawn(move || {
            signals.forever().next();
            leaving.leave(); // [STOP-4]
        });
        worker.stop();
        Ok(())
    }

    fn work(self: &Arc<Self>) {
        let mut queues = self.settings.queues.clone();
        let mut woken = None;
        while !queues.is_empty() && self.wait_for_room() {
            let mut wait_ms = 2000;
            for queue in queues.clone() {
                // Without a slot only the queue whose token was taken is asked: the next round begins with the first. [CLAIM-5] [CLAIM-9]
                let room = self.room();
                if room == 0 && woken.as_ref() != Some(&queue) {
                    wait_ms = 0;
                    continue;
                }
                match self.claim(&queue, room) {
                    Ok(more) => wait_ms = wait_ms.min(more),
                    Err(Fatal(error)) => {
                        eprintln!("no more claims from {queue}: {error} [CALL-5]");
                        queues.retain(|name| *name != queue);
                    }
                }
            }
            woken = if wait_ms > 0 && self.room() > 0 { self.idle(&queues, wait_ms) } else { None };
        }
    }

    fn room(&self) -> usize {
        if self.stopping.load(SeqCst) { 0 } else { self.settings.concurrency - *self.running.lock().unwrap() }
    }

    /// Wait for a free slot; none comes once the worker stops.
    fn wait_for_room(&self) -> bool {
        let full = |running: &mut usize| *running >= self.settings.concurrency && !self.stopping.load(SeqCst);
        drop(self.freed.wait_while(self.running.lock().unwrap(), full).unwrap());
        !self.stopping.load(SeqCst)
    }

    /// Claim and start up to `room` jobs; return for how many ms there is nothing more.
    fn claim(self: &Arc<Self>, queue: &str, room: usize) -> Result<i64, Fatal> {
        let _claiming = self.claiming.lock().unwrap();
        while !self.stopping.load(SeqCst) {
            if self.scripts.interrupted.swap(false, SeqCst) {
                self.extend(); // what is held comes before what is new [CLAIM-12]
            }
            let rescue = if self.held.lock().unwrap().values().any(|job| job.taken && !job.handing_over.load(SeqCst)) { "0" } else { "1" };
            let nonce = Alphanumeric.sample_string(&mut rand::rng(), 24);
            let arguments = [nonce.as_str(), &self.settings.lease_ms.to_string(), &room.min(1000).to_string(), rescue];
            match self.scripts.once("claim", &self.scripts.keys(queue, &[]), &arguments) {
                Ok(reply) => {
                    self.clock.set(number(&reply[0]));
                    for part in reply[3..].chunks(5) {
                        self.start(Job::new(queue, number(&reply[2]) == 1, part));
                    }
                    return Ok(number(&reply[1]));
                }
                Err(error) if is_fatal(&error) => return Err(Fatal(error.to_string())),
                Err(_) => sleep(Duration::from_millis(100)),
            }
        }
        Ok(2000)
    }

    fn start(self: &Arc<Self>, job: Job) {
        let (worker, job) = (self.clone(), Arc::new(job));
        *self.running.lock().unwrap() += 1;
        self.held.lock().unwrap().insert(job.key(), job.clone());
        spawn(move || {
            if worker.stopping.load(SeqCst) {
                worker.settle(&job, "release", vec![], 0);
            } else {
                worker.run(&job);
            }
            *worker.running.lock().unwrap() -= 1;
            worker.freed.notify_all();
        });
    }

    /// Block until a queue has something, or the time is over; return the queue whose token was taken. [CLAIM-7]
    fn idle(&self, queues: &[String], wait_ms: i64) -> Option<String> {
        let lists: Vec<String> = queues.iter().map(|queue| self.scripts.key(queue, "wake")).collect();
        match self.scripts.block(&lists, wait_ms) {
            Ok(popped) => lists.iter().position(|list| popped.as_ref() == Some(list)).map(|at| queues[at].clone()),
            Err(_) => {
                sleep(Duration::from_millis(50));
                None
            }
        }
    }

    fn run(self: &Arc<Self>, job: &Arc<Job>) {
        let expires_at = job.envelope.get("expires_at").and_then(Value::as_number);
        match (&job.rejected, self.handlers.get(job.run.kind.as_str())) {
            _ if !job.document.is_empty() => self.as_decided(job),
            (Some(problem), _) => self.fail(job, problem),
            _ if expires_at.is_some_and(|instant| instant <= self.clock.now() as f64) => {
                let problem = Problem::new("expired", "expires_at is over");
                self.settle(job, "expire", write_error(job.outcome(&self.settings.name, "expired"), &problem, job.run.encoding), job.ttl());
            }
            (None, None) => self.retry_or_fail(job, &Problem::new("unknown_type", format!("no handler for {}", job.run.kind)), 0),
            (None, Some(handler)) => self.attempt(job, *handler),
        }
    }

    /// Settle a job as the document says that it came with. [RUN-2] [RUN-4]
    fn as_decided(&self, job: &Job) {
        let state = read_outcome(&job.document)
            .ok()
            .filter(|outcome| text_of(outcome, "id") == job.run.id)
            .map(|outcome| text_of(&outcome, "state"));
        match state.as_deref() {
            Some("succeeded") if job.goes_on() => self.hand_over(job, &job.document),
            Some("succeeded") => self.settle(job, "succeed", job.document.clone(), job.ttl()),
            Some("cancelled") => self.settle(job, "cancel", job.document.clone(), job.ttl()),
            Some("expired") => self.settle(job, "expire", job.document.clone(), job.ttl()),
            Some("failed") => self.settle(job, "fail", job.document.clone(), 0),
            _ => self.fail(job, &Problem::new("malformed", "the stored document ends nothing [RUN-4]")),
        }
    }

    fn attempt(self: &Arc<Self>, job: &Arc<Job>, handler: Handler) {
        if job.over.load(SeqCst) {
            return; // its lease is lost [RUN-16]
        }
        if job.cancelled.load(SeqCst) {
            return self.cancel(job);
        }
        let timeout_ms = integer_of(&job.envelope, "timeout_ms", 0);
        if timeout_ms > 0 {
            let (worker, job) = (self.clone(), job.clone());
            spawn(move || worker.time_out(&job, timeout_ms));
        }
        let ended = call(handler, &job.run, &job.envelope);
        match ended {
            _ if !job.end() || job.over.load(SeqCst) => {} // timed out or lost: what it returned is dropped
            Ok(result) => self.succeed(job, result),
            Err(problem) => self.retry_or_fail(job, &problem, 0),
        }
    }

    fn time_out(&self, job: &Job, timeout_ms: i64) {
        if !job.ends_within(Duration::from_millis(timeout_ms as u64)) && job.end() {
            job.run.tell(Told::Timeout);
            self.retry_or_fail(job, &Problem::new("timeout", format!("not done after {timeout_ms} ms")), 1000);
        }
    }

    fn succeed(&self, job: &Job, result: Value) {
        let then = array_of(&job.envelope, "then");
        let mut outcome = job.outcome(&self.settings.name, "succeeded");
        let written = check(&result, job.depth()).and_then(|()| {
            if let Some(Value::Object(step)) = then.first() {
                write(&next_envelope(&job.envelope, step, result.clone(), &then[1..]), job.run.encoding)?;
            }
            if result != Value::Null {
                outcome.insert("result".into(), result);
            }
            write(&outcome, job.run.encoding)
        });
        match written {
            Ok(document) if job.goes_on() => self.decide(job, document),
            Ok(document) => self.settle(job, "succeed", document, job.ttl()),
            Err(_) if job.cancelled.load(SeqCst) => self.cancel(job), // [CANCEL-3]
            Err(unwritable) => self.fail(job, &Problem::from(&unwritable)),
        }
    }

    fn retry_or_fail(&self, job: &Job, problem: &Problem, least_ms: i64) {
        let (policy, unknown) = (Policy::of(&job.envelope), problem.code == "unknown_type");
        let named = Value::from(problem.kind.as_deref().unwrap_or(problem.code));
        if job.cancelled.load(SeqCst) {
            self.cancel(job); // [CANCEL-3]
        } else if job.run.attempt >= policy.max_attempts || !unknown && (problem.last || policy.no_retry_on.contains(&named)) {
            self.fail(job, problem);
        } else {
            // Another worker may know the type. [RUN-8]
            let delay_ms = if unknown { policy.max_delay_ms as i64 } else { Self::delay(&policy, job.run.attempt).max(least_ms) };
            self.settle(job, "retry", write_error(job.outcome(&self.settings.name, "retrying"), problem, job.run.encoding), delay_ms);
        }
    }

    fn delay(policy: &Policy, attempt: i64) -> i64 {
        let (low, high) = policy.delay_range(attempt);
        rand::rng().random_range(low..=high)
    }

    fn fail(&self, job: &Job, problem: &Problem) {
        self.settle(job, "fail", write_error(job.outcome(&self.settings.name, "failed"), problem, job.run.encoding), 0);
    }

    fn cancel(&self, job: &Job) {
        let problem = Problem::new("cancelled", "a cancel was requested");
        self.settle(job, "cancel", write_error(job.outcome(&self.settings.name, "cancelled"), &problem, job.run.encoding), job.ttl());
    }

    /// Store the outcome, hand over what comes next, close. [FLOW-3]
    fn decide(&self, job: &Job, document: Vec<u8>) {
        match self.send(job, "decide", &document, 0).as_str() {
            "done" => self.hand_over(job, &document),
            "refused" => self.fail(job, &Problem::from(&Unwritable::TooLarge)),
            _ => {}
        }
    }

    fn hand_over(&self, job: &Job, document: &[u8]) {
        job.handing_over.store(true, SeqCst);
        match self.handed_over(job, document) {
            Ok(()) => self.settle(job, "succeed", document.to_vec(), job.ttl()),
            Err(problem) => self.fail(job, &problem),
        }
    }

    fn handed_over(&self, job: &Job, document: &[u8]) -> Result<(), Problem> {
        let malformed = |message| Problem::new("malformed", message);
        let mut before = read(document).map_err(malformed)?.0.remove("result").unwrap_or(Value::Null);
        let mut steps = array_of(&job.envelope, "then");
        if let Some(Value::Object(join)) = job.envelope.get("join") {
            steps = array_of(join, "then");
            let reply = self.scripts.join(join, document).map_err(|Fatal(error)| Problem::invalid("join.size", &error))?; // [FLOW-19]
            if number(&reply[1]) == -1 {
                return Err(Problem::from(&Unwritable::TooLarge));
            } else if number(&reply[1]) != number(&reply[2]) {
                return Ok(()); // another member completes the group
            }
            let members: Result<_, String> = reply[3..].iter().map(|value| Ok(Value::Object(read(bytes(value))?.0))).collect();
            before = Value::Array(members.map_err(malformed)?);
        }
        let Some(Value::Object(step)) = steps.first() else { return Ok(()) };
        let next = next_envelope(&job.envelope, step, before, &steps[1..]);
        let arguments = enqueue_arguments(&next, job.run.encoding).map_err(|unwritable| Problem::from(&unwritable))?;
        let keys = self.scripts.keys(&text_of(&next, "queue"), &[&text_of(&next, "id")]);
        let (reply, _) = self.scripts.call("pass", &keys, &arguments).map_err(|Fatal(error)| Problem::new("invalid", error))?;
        if text(&reply[1]) == "refused" { Err(Problem::from(&Unwritable::TooLarge)) } else { Ok(()) }
    }

    /// End a run: the first call for a job counts, what comes later is dropped.
    fn settle(&self, job: &Job, verb: &str, document: Vec<u8>, number: i64) {
        if job.over.swap(true, SeqCst) {
            return;
        }
        match self.send(job, verb, &document, number).as_str() {
            "cancel" => {
                job.over.store(false, SeqCst);
                self.cancel(job); // [CANCEL-4]
            }
            "refused" => {
                job.over.store(false, SeqCst);
                self.fail(job, &Problem::new("result_too_large", format!("{verb} was refused")));
            }
            _ => drop(self.held.lock().unwrap().remove(&job.key())),
        }
    }

    fn send(&self, job: &Job, verb: &str, document: &[u8], number: i64) -> String {
        let number = number.to_string();
        let arguments = [job.run.id.as_bytes(), job.token.as_bytes(), verb.as_bytes(), document, number.as_bytes()];
        let keys = self.scripts.keys(&job.queue, &[&job.run.id]);
        let Ok((reply, resent)) = self.scripts.call("settle", &keys, &arguments) else {
            self.lose(job, false);
            return "lost".into();
        };
        let answer = text(&reply[1]);
        if answer == "lost" {
            self.lose(job, resent);
        }
        answer
    }

    fn lose(&self, job: &Job, perhaps_mine: bool) {
        job.over.store(true, SeqCst);
        if self.held.lock().unwrap().remove(&job.key()).is_some() {
            job.run.tell(Told::Lost);
            let level = if perhaps_mine { "info" } else { "warning" };
            eprintln!("{level}: the lease of {} is lost, its outcome is dropped [LEASE-3]", job.run.id);
        }
    }

    fn heartbeat(&self) {
        loop {
            sleep(Duration::from_millis(self.settings.lease_ms / 4));
            self.extend();
        }
    }

    /// Extend all leases, send the latest progress, hear of cancels. [LEASE-1]
    fn extend(&self) {
        let held: Vec<Arc<Job>> = self.held.lock().unwrap().values().cloned().collect();
        for queue in &self.settings.queues {
            let mine: Vec<&Arc<Job>> = held.iter().filter(|job| job.queue == *queue).collect();
            for jobs in mine.chunks(1000) {
                let mut arguments = vec![self.settings.lease_ms.to_string().into_bytes()];
                for job in jobs {
                    let progress = job.run.progress.lock().unwrap().take().unwrap_or_default();
                    arguments.extend([job.run.id.clone().into_bytes(), job.token.clone().into_bytes(), progress]);
                }
                let Ok((reply, resent)) = self.scripts.call("extend", &self.scripts.keys(queue, &[]), &arguments) else { continue };
                for (job, answer) in jobs.iter().zip(&reply[1..]) {
                    match text(answer).as_str() {
                        "lost" if !job.over.load(SeqCst) => self.lose(job, resent),
                        "cancel" => {
                            job.cancelled.store(true, SeqCst);
                            job.run.tell(Told::Cancel);
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Claim no more; wait for what runs, at most the grace; leave. [STOP-1..6]
    fn stop(&self) {
        self.stopping.store(true, SeqCst);
        self.freed.notify_all();
        let end = Instant::now() + Duration::from_millis(self.settings.grace_ms);
        while Instant::now() < end && (self.claiming.try_lock().is_err() || !self.held.lock().unwrap().is_empty()) {
            sleep(Duration::from_millis(5));
        }
        self.leave();
    }

    /// Release what is left, and end the process, whether or not the server answers.
    fn leave(&self) -> ! {
        spawn(|| {
            sleep(Duration::from_secs(2));
            exit(0);
        });
        let held: Vec<Arc<Job>> = self.held.lock().unwrap().values().cloned().collect();
        for job in held {
            job.end(); // what its handler returns from now on is dropped
            job.run.tell(Told::Stop);
            self.settle(&job, "release", vec![], 0);
        }
        while !self.held.lock().unwrap().is_empty() {
            sleep(Duration::from_millis(5)); // other threads settle what ended by itself
        }
        exit(0)
    }
}
