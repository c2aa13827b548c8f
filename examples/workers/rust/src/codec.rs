//! Envelopes and outcomes: what their fields may hold. SPEC.md sections 4, 5 and 10.

use std::collections::HashSet;

use crate::value::{Encoding, Fields, MAX_INTEGER, Unwritable, Value, object, read, write};

/// An envelope that cannot be taken; `field` names the bad field of an invalid one.
#[derive(Debug)]
pub struct Rejected {
    pub code: &'static str,
    pub message: String,
    pub field: Option<String>,
}

type Rule = fn(&Value) -> bool;
type Rules = &'static [(&'static str, Rule)];

const REQUIRED: Rules = &[("id", is_id), ("type", is_id), ("queue", is_queue)];
const COMMON: Rules = &[
    ("args", is_array),
    ("kwargs", is_object),
    ("headers", is_object),
    ("retry", is_object),
    ("join", is_object),
    ("created_at", |value| integer(value, 0, MAX_INTEGER)),
    ("run_at", |value| integer(value, 0, MAX_INTEGER)),
    ("expires_at", |value| integer(value, 0, MAX_INTEGER)),
    ("timeout_ms", |value| integer(value, 1, MAX_INTEGER)),
    ("result_ttl_ms", |value| integer(value, 0, MAX_INTEGER)),
    ("priority", |value| integer(value, 0, 9)),
];
const JOB: Rules = &[("root_id", is_id), ("parent_id", is_id), ("then", is_array)];
const STEP: Rules = &[("pass_result", |value| matches!(value, Value::Bool(_)))];
const RETRY: Rules = &[
    ("max_attempts", |value| integer(value, 1, 1000)),
    ("delay_ms", |value| integer(value, 0, MAX_INTEGER)),
    ("factor", |value| number(value, 1.0, 1000.0)),
    ("max_delay_ms", |value| integer(value, 0, MAX_INTEGER)),
    ("jitter", |value| number(value, 0.0, 1.0)),
    ("no_retry_on", is_array),
];
const JOIN_REQUIRED: Rules =
    &[("group", is_id), ("index", |value| integer(value, 0, 999)), ("size", |value| integer(value, 1, 1000)), ("then", is_array)];
const JOIN: Rules = &[("ttl_ms", |value| integer(value, 1, MAX_INTEGER))];
const OUTCOME: Rules = &[
    ("id", is_id),
    ("attempt", |value| integer(value, 0, MAX_INTEGER)),
    ("finished_at", |value| integer(value, 0, MAX_INTEGER)),
    ("state", |value| matches!(value.as_str(), Some("succeeded" | "failed" | "cancelled" | "expired" | "retrying"))),
];
const ERROR: Rules = &[("code", is_text), ("message", is_text)];

fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.len() <= 128
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
    })
}

fn is_queue(value: &Value) -> bool {
    is_id(value) && !value.as_str().unwrap_or_default().contains(':')
}

fn is_array(value: &Value) -> bool {
    value.as_array().is_some()
}

fn is_object(value: &Value) -> bool {
    value.as_object().is_some()
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some()
}

fn integer(value: &Value, low: i64, high: i64) -> bool {
    value.as_integer().is_some_and(|number| (low..=high).contains(&number))
}

fn number(value: &Value, low: f64, high: f64) -> bool {
    value.as_number().is_some_and(|number| (low..=high).contains(&number))
}

fn invalid(field: &str, value: Option<&Value>, requirement: &str) -> Rejected {
    let got: String = format!("{value:?}").chars().take(80).collect();
    Rejected { code: "invalid", message: format!("{field}: got {got} [{requirement}]"), field: Some(field.into()) }
}

/// Read an envelope, all its fields checked, what is null left out.
pub fn decode(bytes: &[u8]) -> Result<(Fields, Encoding), (Rejected, Encoding)> {
    let (fields, encoding) = read(bytes).map_err(|message| (Rejected { code: "malformed", message, field: None }, Encoding::Json))?;
    match validate(&fields) {
        Ok(()) => Ok((present(fields), encoding)),
        Err(rejected) => Err((rejected, encoding)),
    }
}

/// Check all fields of an envelope and of its steps. [FIELD-1..9] [FLOW-1] [FLOW-2]
pub fn validate(job: &Fields) -> Result<(), Rejected> {
    check_version(job)?;
    check(job, REQUIRED, true, "")?;
    check(job, COMMON, false, "")?;
    check(job, JOB, false, "")?;
    let mut seen = HashSet::from([text_of(job, "id")]);
    check_flow(job, &mut seen, "", array_of(job, "then"))
}

pub fn check_version(document: &Fields) -> Result<(), Rejected> {
    let version = document.get("jobwire");
    let parts = version.and_then(Value::as_str).and_then(|text| text.split_once('.'));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts {
        Some((major, minor)) if digits(major) && digits(minor) => match major.trim_start_matches('0') {
            "1" => Ok(()),
            _ => Err(Rejected {
                code: "unsupported_version",
                message: format!("expected version 1.x, got {version:.80?} [FIELD-3]"),
                field: None,
            }),
        },
        _ => Err(invalid("jobwire", version, "FIELD-4")),
    }
}

fn check(fields: &Fields, rules: Rules, needed: bool, path: &str) -> Result<(), Rejected> {
    for (name, good) in rules {
        match fields.get(*name) {
            None | Some(Value::Null) if needed => return Err(invalid(&format!("{path}{name}"), None, "FIELD-5")),
            None | Some(Value::Null) => {}
            Some(value) if good(value) => {}
            value => return Err(invalid(&format!("{path}{name}"), value, "FIELD-5")),
        }
        if let ("retry", Some(Value::Object(retry))) = (*name, fields.get("retry")) {
            check_retry(retry, &format!("{path}retry."))?;
        }
    }
    Ok(())
}

fn check_retry(retry: &Fields, path: &str) -> Result<(), Rejected> {
    check(retry, RETRY, false, path)?;
    match array_of(retry, "no_retry_on").iter().enumerate().find(|(_, name)| !is_text(name)) {
        Some((index, name)) => Err(invalid(&format!("{path}no_retry_on.{index}"), Some(name), "FIELD-5")),
        None => Ok(()),
    }
}

fn check_flow(fields: &Fields, seen: &mut HashSet<String>, path: &str, then: &[Value]) -> Result<(), Rejected> {
    let Some(Value::Object(join)) = fields.get("join") else { return check_steps(then, seen, &format!("{path}then.")) };
    let path = format!("{path}join.");
    if !then.is_empty() {
        return Err(invalid(path.trim_end_matches('.'), None, "FLOW-1"));
    }
    check(join, JOIN_REQUIRED, true, &path)?;
    check(join, JOIN, false, &path)?;
    if integer_of(join, "index", 0) >= integer_of(join, "size", 0) {
        return Err(invalid(&format!("{path}index"), join.get("index"), "FIELD-5"));
    }
    let steps = array_of(join, "then");
    if steps.is_empty() {
        return Err(invalid(&format!("{path}then"), None, "FIELD-5"));
    }
    check_steps(steps, seen, &format!("{path}then."))
}

fn check_steps(steps: &[Value], seen: &mut HashSet<String>, path: &str) -> Result<(), Rejected> {
    for (index, step) in steps.iter().enumerate() {
        let here = format!("{path}{index}");
        let Value::Object(step) = step else { return Err(invalid(&here, Some(step), "FLOW-2")) };
        check_step(step, seen, &format!("{here}."), index + 1 == steps.len())?;
    }
    Ok(())
}

fn check_step(step: &Fields, seen: &mut HashSet<String>, path: &str, last: bool) -> Result<(), Rejected> {
    if let Some(name) = ["jobwire", "then", "root_id", "parent_id"].iter().find(|name| step.contains_key(**name)) {
        return Err(invalid(&format!("{path}{name}"), step.get(*name), "FLOW-1"));
    }
    check(step, REQUIRED, true, path)?;
    check(step, COMMON, false, path)?;
    check(step, STEP, false, path)?;
    if !seen.insert(text_of(step, "id")) {
        return Err(invalid(&format!("{path}id"), step.get("id"), "FLOW-2"));
    }
    if !last && step.get("join").is_some_and(|join| *join != Value::Null) {
        return Err(invalid(&format!("{path}join"), None, "FLOW-1"));
    }
    check_flow(step, seen, path, &[])
}

/// Leave out what is null. [FIELD-9]
pub fn present(mut fields: Fields) -> Fields {
    fields.retain(|_, value| *value != Value::Null);
    fields
}

/// Leave out what is null in an envelope and in the tables within it. [FIELD-10]
pub fn present_throughout(fields: Fields) -> Fields {
    let within = |(name, value): (String, Value)| match (name.as_str(), value) {
        ("retry" | "join", Value::Object(table)) => (name, Value::Object(present_throughout(table))),
        ("then", Value::Array(steps)) => (name, Value::Array(steps.into_iter().map(present_step).collect())),
        (_, value) => (name, value),
    };
    present(fields).into_iter().map(within).collect()
}

fn present_step(step: Value) -> Value {
    if let Value::Object(fields) = step { Value::Object(present_throughout(fields)) } else { step }
}

/// Read an outcome, as section 5 has it.
pub fn read_outcome(bytes: &[u8]) -> Result<Fields, Rejected> {
    let (outcome, _) = read(bytes).map_err(|message| Rejected { code: "malformed", message, field: None })?;
    check_version(&outcome)?;
    check(&outcome, OUTCOME, true, "")?;
    check(&outcome, &[("worker", is_id), ("error", is_object)], false, "")?;
    match outcome.get("error") {
        Some(Value::Object(error)) => check(error, ERROR, true, "error.")?,
        _ if text_of(&outcome, "state") != "succeeded" => return Err(invalid("error", None, "OUT-3")),
        _ => {}
    }
    Ok(outcome)
}

pub fn text_of(fields: &Fields, name: &str) -> String {
    fields.get(name).and_then(Value::as_str).unwrap_or_default().to_string()
}

pub fn integer_of(fields: &Fields, name: &str, otherwise: i64) -> i64 {
    fields.get(name).and_then(Value::as_integer).unwrap_or(otherwise)
}

pub fn array_of<'a>(fields: &'a Fields, name: &str) -> &'a [Value] {
    fields.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How a job is retried, defaults filled in.
pub struct Policy {
    pub max_attempts: i64,
    pub delay_ms: f64,
    pub factor: f64,
    pub max_delay_ms: f64,
    pub jitter: f64,
    pub no_retry_on: Vec<Value>,
}

impl Policy {
    pub fn of(job: &Fields) -> Policy {
        let none = Fields::new();
        let retry = job.get("retry").and_then(Value::as_object).unwrap_or(&none);
        let number = |name: &str, otherwise| retry.get(name).and_then(Value::as_number).unwrap_or(otherwise);
        Policy {
            max_attempts: integer_of(retry, "max_attempts", 3),
            delay_ms: number("delay_ms", 1000.0),
            factor: number("factor", 2.0),
            max_delay_ms: number("max_delay_ms", 300_000.0),
            jitter: number("jitter", 0.1),
            no_retry_on: array_of(retry, "no_retry_on").to_vec(),
        }
    }

    /// The lowest and the highest delay in ms after an attempt. [RETRY-6]
    pub fn delay_range(&self, attempt: i64) -> (i64, i64) {
        let first = self.delay_ms.min(self.max_delay_ms);
        let ms = (1..attempt).fold(first, |ms, _| (ms * self.factor).min(self.max_delay_ms));
        ((ms * (1.0 - self.jitter)).floor() as i64, ms.floor() as i64)
    }
}

/// An envelope with the defaults of section 4.2.
pub fn with_defaults(job: Fields) -> Fields {
    let policy = Policy::of(&job);
    let mut full = object([
        ("args", Value::Array(vec![])),
        ("kwargs", Value::Object(Fields::new())),
        ("headers", Value::Object(Fields::new())),
        ("then", Value::Array(vec![])),
        ("priority", 4.into()),
        ("result_ttl_ms", 600_000.into()),
    ]);
    full.extend(present(job));
    let retry = object([
        ("max_attempts", policy.max_attempts.into()),
        ("delay_ms", Value::Float(policy.delay_ms)),
        ("factor", Value::Float(policy.factor)),
        ("max_delay_ms", Value::Float(policy.max_delay_ms)),
        ("jitter", Value::Float(policy.jitter)),
        ("no_retry_on", Value::Array(policy.no_retry_on)),
    ]);
    full.insert("retry".into(), Value::Object(retry));
    full
}

/// An error, as an outcome says it.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    pub code: &'static str,
    pub message: String,
    pub kind: Option<String>,
    pub details: Option<Value>,
    pub stack: Option<String>,
    pub last: bool,
}

impl Problem {
    pub fn new(code: &'static str, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), ..Problem::default() }
    }
}

impl Problem {
    pub fn invalid(field: &str, message: &str) -> Problem {
        Rejected { code: "invalid", message: format!("{field}: {message}"), field: Some(field.into()) }.into()
    }
}

impl From<&Unwritable> for Problem {
    fn from(unwritable: &Unwritable) -> Problem {
        let too_large = *unwritable == Unwritable::TooLarge;
        Problem::new(if too_large { "result_too_large" } else { "result_unserializable" }, unwritable.to_string())
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Problem {
        let details = rejected.field.map(|field| Value::Object(object([("field", field.into())])));
        Problem { details, ..Problem::new(rejected.code, rejected.message) }
    }
}

/// Cut on a character to so many bytes of UTF-8. [OUT-4]
fn cut(text: &str, bytes: usize) -> Value {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].into()
}

/// The bytes of an outcome with an error; details, then the stack go if they do not fit. [OUT-5]
pub fn write_error(mut outcome: Fields, problem: &Problem, encoding: Encoding) -> Vec<u8> {
    let mut error = object([("code", problem.code.into()), ("message", cut(&problem.message, 4096))]);
    error.extend(problem.kind.iter().map(|kind| ("type".to_string(), cut(kind, 256))));
    error.extend(problem.stack.iter().map(|stack| ("stack".to_string(), cut(stack, 16384))));
    error.extend(problem.details.iter().map(|details| ("details".to_string(), details.clone())));
    for excess in ["details", "stack", ""] {
        outcome.insert("error".into(), Value::Object(present(error.clone())));
        if let Ok(bytes) = write(&outcome, encoding) {
            return bytes;
        }
        error.remove(excess);
    }
    unreachable!("code, message and type are short")
}

/// The envelope that a job hands over: a step, with what went before as first argument. [FLOW-6..10]
pub fn next_envelope(job: &Fields, step: &Fields, before: Value, rest: &[Value]) -> Fields {
    let mut next = present(step.clone());
    if next.remove("pass_result") != Some(Value::Bool(false)) {
        let args = std::iter::once(before).chain(array_of(step, "args").iter().cloned()).collect();
        next.insert("args".into(), Value::Array(args));
    }
    if !rest.is_empty() {
        next.insert("then".into(), Value::Array(rest.to_vec()));
    }
    let root = job.get("root_id").unwrap_or(&job["id"]);
    next.extend(object([("jobwire", job["jobwire"].clone()), ("parent_id", job["id"].clone()), ("root_id", root.clone())]));
    next
}

/// The arguments of enqueue and pass. [PROD-1]
pub fn enqueue_arguments(job: &Fields, encoding: Encoding) -> Result<Vec<Vec<u8>>, Unwritable> {
    let numbers = [integer_of(job, "run_at", 0), Policy::of(job).max_attempts, integer_of(job, "priority", 4)];
    let mut arguments = vec![text_of(job, "id").into_bytes(), write(job, encoding)?];
    arguments.extend(numbers.iter().map(|number| number.to_string().into_bytes()));
    Ok(arguments)
}
