//! The adapter of the conformance suite: requests on standard input, answers on standard output.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jobwire_worker::codec::{Policy, Rejected, array_of, decode, integer_of, text_of, with_defaults};
use jobwire_worker::producer::{Producer, Reference, Refusal, Waited, envelope};
use jobwire_worker::settings::Settings;
use jobwire_worker::value::{Encoding, Fields, Value, object, read, write};
use serde_json::value::RawValue;

type Answer = Result<Fields, Refusal>;

/// A request; its job is read as a document is, for it can be one that cannot be read.
struct Request {
    fields: Fields,
    job: String,
}

impl Request {
    fn parse(line: &str) -> serde_json::Result<Request> {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line)?;
        let job = members.remove("job").map_or_else(String::new, |job| job.get().into());
        let read = |(name, member): (String, Box<RawValue>)| Ok((name, serde_json::from_str(member.get())?));
        Ok(Request { fields: members.into_iter().map(read).collect::<serde_json::Result<_>>()?, job })
    }

    fn job(&self) -> Result<Fields, Refusal> {
        let malformed = |message| Refusal::Rejected(Rejected { code: "malformed", message, field: None });
        read(self.job.as_bytes()).map(|(job, _)| job).map_err(malformed)
    }
}

fn main() -> io::Result<()> {
    let mut pending: Vec<JoinHandle<()>> = Vec::new();
    let producer = Arc::new(OnceLock::new());
    for line in io::stdin().lock().lines() {
        let request = Request::parse(&line?)?;
        let producer = producer.clone();
        // What waits for a server has a thread of its own.
        if matches!(text_of(&request.fields, "op").as_str(), "enqueue" | "wait" | "cancel") {
            pending.push(thread::spawn(move || reply(&request, &producer)));
        } else {
            reply(&request, &producer);
        }
    }
    pending.into_iter().for_each(|thread| thread.join().expect("a request is answered"));
    Ok(())
}

fn reply(request: &Request, producer: &OnceLock<Producer>) {
    let mut answer = answer(request, producer).unwrap_or_else(refused);
    answer.insert("ref".into(), request.fields.get("ref").cloned().unwrap_or(Value::Null));
    let text = serde_json::to_string(&answer).expect("an answer is JSON");
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).expect("standard output is open");
}

fn refused(refusal: Refusal) -> Fields {
    match refusal {
        Refusal::Rejected(Rejected { code, field, .. }) => {
            let field = field.map_or(Value::Null, Value::from);
            object([("error", Value::Object(object([("code", code.into()), ("field", field)])))])
        }
        Refusal::Unwritable(_) => object([("error", Value::Object(object([("code", "invalid".into())])))]),
        Refusal::Server(error) => object([("failed", error.into())]),
    }
}

fn answer(whole: &Request, producer: &OnceLock<Producer>) -> Answer {
    let request = &whole.fields;
    match text_of(request, "op").as_str() {
        "hello" => Ok(hello()),
        "decode" => {
            let bytes = BASE64.decode(text_of(request, "bytes")).map_err(|error| Refusal::Server(error.to_string()))?;
            let (job, _) = decode(&bytes).map_err(|(rejected, _)| Refusal::Rejected(rejected))?;
            Ok(object([("job", Value::Object(with_defaults(job)))]))
        }
        "encode" => {
            let job = envelope(whole.job()?).map_err(Refusal::Rejected)?;
            let bytes = write(&job, format(request)).map_err(Refusal::Unwritable)?;
            Ok(object([("bytes", BASE64.encode(bytes).into())]))
        }
        "delay" => {
            let (low, high) = Policy::of(request).delay_range(integer_of(request, "attempt", 1));
            Ok(object([("ms", Value::Array(vec![low.into(), high.into()]))]))
        }
        "enqueue" => Ok(status(connected(producer)?.enqueue(whole.job()?, format(request))?)),
        "cancel" => Ok(status(connected(producer)?.cancel(&reference(request))?)),
        "wait" => wait(request, connected(producer)?),
        _ => Ok(object([("unsupported", Value::Bool(true))])),
    }
}

fn hello() -> Fields {
    let texts = |names: &[&str]| Value::Array(names.iter().map(|name| Value::from(*name)).collect());
    object([
        ("name", "jobwire-rust".into()),
        ("version", "1.0.0".into()),
        ("spec", "1.0".into()),
        ("roles", texts(&["codec", "producer", "worker"])),
        ("profiles", texts(&["core", "cancel", "progress", "workflow"])),
    ])
}

fn format(request: &Fields) -> Encoding {
    if text_of(request, "format") == "msgpack" { Encoding::MessagePack } else { Encoding::Json }
}

fn reference(request: &Fields) -> Reference {
    Reference { queue: text_of(request, "queue"), id: text_of(request, "id") }
}

fn status(status: String) -> Fields {
    object([("status", status.into())])
}

fn connected(producer: &OnceLock<Producer>) -> Result<&Producer, Refusal> {
    if producer.get().is_none() {
        let settings = Settings::from_environment();
        let made = Producer::new(&settings.url, &settings.namespace).map_err(|error| Refusal::Server(error.to_string()))?;
        let _ = producer.set(made); // another thread was perhaps first
    }
    producer.get().ok_or_else(|| Refusal::Server("no producer".into()))
}

fn wait(request: &Fields, producer: &Producer) -> Answer {
    let jobs: Vec<Reference> = array_of(request, "jobs").iter().filter_map(Value::as_object).map(reference).collect();
    let timeout = Duration::from_millis(integer_of(request, "timeout_ms", 0) as u64);
    Ok(match producer.wait(&jobs, timeout)? {
        Waited::Outcome(outcome) => object([("outcome", Value::Object(outcome))]),
        Waited::TimedOut => object([("timeout", Value::Bool(true))]),
        Waited::Gone => object([("gone", Value::Bool(true))]),
    })
}
