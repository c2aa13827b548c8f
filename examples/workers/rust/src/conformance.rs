//! The handlers that the conformance suite asks for.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::panic::panic_any;
use std::path::Path;
use std::process::exit;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jobwire_worker::handlers::{Failure, Handler, Handlers, Run, Told};
use jobwire_worker::value::{Fields, Value, object};

type Ended = Result<Value, Failure>;

macro_rules! logged {
    ($($kind:literal => $handler:ident),* $(,)?) => {
        Handlers::from([$(($kind, (|run: &Run, args: &[Value], kwargs: &Fields| logged(run, || $handler(run, args, kwargs))) as Handler)),*])
    };
}

pub fn handlers() -> Handlers {
    logged! {
        "conformance.echo" => echo,
        "conformance.add" => add,
        "conformance.context" => context,
        "conformance.fail" => fail,
        "conformance.flaky" => flaky,
        "conformance.sleep" => nap,
        "conformance.busy" => busy,
        "conformance.barrier" => barrier,
        "conformance.progress" => progress,
        "conformance.until_cancelled" => until_cancelled,
        "conformance.big" => big,
        "conformance.unserializable" => unserializable,
        "conformance.exit" => leave,
    }
}

fn echo(_: &Run, args: &[Value], kwargs: &Fields) -> Ended {
    Ok(Value::Object(object([("args", Value::Array(args.to_vec())), ("kwargs", Value::Object(kwargs.clone()))])))
}

fn add(_: &Run, args: &[Value], _: &Fields) -> Ended {
    match args {
        [Value::Integer(x), Value::Integer(y)] => Ok(Value::Integer(x + y)),
        [x, y] => match (x.as_number(), y.as_number()) {
            (Some(x), Some(y)) => Ok(Value::Float(x + y)),
            _ => Err(failure("expected two numbers")),
        },
        _ => Err(failure("expected two arguments")),
    }
}

fn context(run: &Run, _: &[Value], _: &Fields) -> Ended {
    Ok(Value::Object(object([("id", run.id.as_str().into()), ("attempt", run.attempt.into()), ("run", run.run.into())])))
}

fn fail(_: &Run, _: &[Value], kwargs: &Fields) -> Ended {
    let said = |name: &str, otherwise: &str| kwargs.get(name).and_then(Value::as_str).unwrap_or(otherwise).to_string();
    let is = |name: &str| kwargs.get(name) == Some(&Value::Bool(true));
    if is("odd") {
        panic_any(42);
    }
    // A String is always valid Unicode: `broken` asks for nothing here.
    Err(Failure {
        kind: said("type", "ConformanceError"),
        message: said("message", "failed"),
        details: kwargs.get("details").cloned(),
        last: is("final"),
    })
}

fn failure(message: &str) -> Failure {
    Failure { kind: "ConformanceError".into(), message: message.into(), ..Failure::default() }
}

fn number(args: &[Value]) -> i64 {
    args.first().and_then(Value::as_integer).unwrap_or(0)
}

fn flaky(run: &Run, args: &[Value], _: &Fields) -> Ended {
    if run.attempt <= number(args) { Err(failure("not yet")) } else { Ok(run.attempt.into()) }
}

fn nap(run: &Run, args: &[Value], _: &Fields) -> Ended {
    let told = run.sleep(Duration::from_millis(number(args) as u64));
    if matches!(told, Some(Told::Cancel | Told::Timeout)) { Err(failure("told to stop")) } else { Ok(number(args).into()) }
}

fn busy(_: &Run, args: &[Value], _: &Fields) -> Ended {
    let end = Instant::now() + Duration::from_millis(number(args) as u64);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    Ok(number(args).into())
}

fn wait_for(path: Option<&Value>) {
    let path = Path::new(path.and_then(Value::as_str).unwrap_or_default());
    while !path.exists() {
        sleep(Duration::from_millis(10));
    }
}

fn barrier(_: &Run, args: &[Value], _: &Fields) -> Ended {
    wait_for(args.first());
    Ok("open".into())
}

fn progress(run: &Run, args: &[Value], _: &Fields) -> Ended {
    let reports = args.first().and_then(Value::as_array).cloned().unwrap_or_default();
    let taken = reports.iter().map(|value| Value::Bool(run.progress(value))).collect();
    wait_for(args.get(1));
    Ok(Value::Array(taken))
}

fn until_cancelled(run: &Run, args: &[Value], _: &Fields) -> Ended {
    while run.told() != Some(Told::Cancel) {
        sleep(Duration::from_millis(10));
    }
    if args.first().and_then(Value::as_str) == Some("return") { Ok("stopped".into()) } else { Err(failure("cancelled")) }
}

fn big(_: &Run, args: &[Value], _: &Fields) -> Ended {
    Ok("x".repeat(number(args) as usize).into())
}

fn unserializable(_: &Run, args: &[Value], _: &Fields) -> Ended {
    match args.first().and_then(Value::as_str) {
        Some("deep") => Ok((0..39).fold(Value::Array(vec![]), |inner, _| Value::Array(vec![inner]))),
        Some("infinity") => Ok(Value::Float(f64::INFINITY)),
        _ => Ok(Value::Float(f64::NAN)),
    }
}

fn leave(_: &Run, args: &[Value], _: &Fields) -> Ended {
    exit(number(args) as i32)
}

/// Logs the end of a handler also when it panics.
struct Logged<'a>(&'a Run);

impl Drop for Logged<'_> {
    fn drop(&mut self) {
        let told = match self.0.told() {
            Some(Told::Cancel) => "cancel".into(),
            Some(Told::Timeout) => "timeout".into(),
            Some(Told::Lost) => "lost".into(),
            Some(Told::Stop) => "stop".into(),
            None => Value::Null,
        };
        log(self.0, "end", [("told", told)]);
    }
}

fn logged(run: &Run, handler: impl FnOnce() -> Ended) -> Ended {
    log(run, "start", []);
    let _end = Logged(run);
    handler()
}

fn log<const N: usize>(run: &Run, event: &str, more: [(&str, Value); N]) {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0;
    let mut line = object([
        ("event", event.into()),
        ("id", run.id.as_str().into()),
        ("type", run.kind.as_str().into()),
        ("attempt", run.attempt.into()),
        ("run", run.run.into()),
        ("worker", env::var("JOBWIRE_WORKER").unwrap_or_default().into()),
        ("at", Value::Float(at)),
    ]);
    line.extend(object(more));
    let Ok(path) = env::var("JOBWIRE_CONFORMANCE_LOG") else { return };
    let text = serde_json::to_string(&line).expect("a line of the log") + "\n";
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the log can be written");
}
