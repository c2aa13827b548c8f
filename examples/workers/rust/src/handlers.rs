//! What a handler is given, and how it is called.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::codec::Problem;
use crate::value::{Encoding, Fields, Value, write};

pub type Handler = fn(&Run, &[Value], &Fields) -> Result<Value, Failure>;
pub type Handlers = HashMap<&'static str, Handler>;

/// Why a handler should stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told {
    Cancel = 1,
    Timeout,
    Lost,
    Stop,
}

/// An error of a handler, with the application's name for it; the last one is not retried.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    pub kind: String,
    pub message: String,
    pub details: Option<Value>,
    pub last: bool,
}

/// What a handler knows about its run.
pub struct Run {
    pub id: String,
    pub kind: String,
    pub attempt: i64,
    pub run: i64,
    pub(crate) encoding: Encoding,
    pub(crate) progress: Mutex<Option<Vec<u8>>>,
    reason: AtomicU8,
    lock: Mutex<()>,
    told: Condvar,
}

impl Run {
    pub(crate) fn new(id: &str, kind: &str, attempt: i64, run: i64, encoding: Encoding) -> Run {
        let (progress, reason, lock, told) = Default::default();
        Run { id: id.into(), kind: kind.into(), attempt, run, encoding, progress, reason, lock, told }
    }

    /// Report progress, an object of at most 65536 bytes; returns whether it was taken. [OUT-7]
    pub fn progress(&self, value: &Value) -> bool {
        let bytes = value.as_object().and_then(|fields| write(fields, self.encoding).ok()).filter(|bytes| bytes.len() <= 65536);
        let taken = bytes.is_some();
        if taken {
            *self.progress.lock().unwrap() = bytes;
        }
        taken
    }

    /// Why the handler should stop, if it should.
    pub fn told(&self) -> Option<Told> {
        [Told::Cancel, Told::Timeout, Told::Lost, Told::Stop].into_iter().find(|told| *told as u8 == self.reason.load(Ordering::SeqCst))
    }

    /// Sleep, but no longer than until the handler should stop.
    pub fn sleep(&self, duration: Duration) -> Option<Told> {
        let end = Instant::now() + duration;
        let mut guard = self.lock.lock().unwrap();
        while self.told().is_none() && Instant::now() < end {
            guard = self.told.wait_timeout(guard, end.saturating_duration_since(Instant::now())).unwrap().0;
        }
        self.told()
    }

    pub(crate) fn tell(&self, told: Told) {
        let _guard = self.lock.lock().unwrap();
        let _ = self.reason.compare_exchange(0, told as u8, Ordering::SeqCst, Ordering::SeqCst);
        self.told.notify_all();
    }
}

/// Call a handler; a panic is an error like any other. [RUN-15]
pub fn call(handler: Handler, run: &Run, envelope: &Fields) -> Result<Value, Problem> {
    let none = Fields::new();
    let kwargs = envelope.get("kwargs").and_then(Value::as_object).unwrap_or(&none);
    let ended = catch_unwind(AssertUnwindSafe(|| handler(run, crate::codec::array_of(envelope, "args"), kwargs)));
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => Err(Problem {
            kind: Some(failure.kind),
            details: failure.details,
            last: failure.last,
            ..Problem::new("handler_error", failure.message)
        }),
        Err(cause) => Err(Problem { kind: Some("panic".into()), ..Problem::new("handler_error", said(&*cause)) }),
    }
}

fn said(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
}
