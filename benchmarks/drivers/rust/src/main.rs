//! Jobwire's worker and producer in Rust; example.py says how it is called.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jobwire_worker::handlers::{Failure, Handlers, Run};
use jobwire_worker::producer::Producer;
use jobwire_worker::settings::Settings;
use jobwire_worker::value::{Encoding, Fields, Value, object};
use jobwire_worker::worker::Worker;

static STAMPS: LazyLock<Option<File>> = LazyLock::new(|| {
    let path = env::var("BENCH_STAMPS").ok()?;
    Some(OpenOptions::new().append(true).create(true).open(path).expect("the file of the stamps"))
});

fn stamp() {
    if let Some(mut file) = STAMPS.as_ref() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        file.write_all(&(now.as_nanos() as u64).to_le_bytes()).expect("a stamp is written");
    }
}

fn add(_: &Run, args: &[Value], _: &Fields) -> Result<Value, Failure> {
    stamp();
    match args {
        [Value::Integer(a), Value::Integer(b), ..] => Ok((a + b).into()),
        _ => Err(Failure { kind: "TypeError".into(), message: "expected two integers".into(), ..Failure::default() }),
    }
}

fn nap(_: &Run, args: &[Value], _: &Fields) -> Result<Value, Failure> {
    sleep(Duration::from_secs_f64(args[0].as_number().unwrap_or_default()));
    stamp();
    Ok(Value::Null)
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("expected {name}"))
}

/// Name the client, by the version that was built.
fn about() {
    let lock = include_str!("../Cargo.lock");
    let version = lock.split("name = \"redis\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    println!("redis {}", version.unwrap_or("of an unknown version"));
}

/// The first call makes the connection and loads the scripts: it is not timed, the time of the others is scaled to all.
fn one() -> io::Result<()> {
    let jobs = Producer::new(&variable("JOBWIRE_REDIS_URL"), "jobwire")?;
    let encoding = if variable("BENCH_ENCODING") == "json" { Encoding::Json } else { Encoding::MessagePack };
    let [count, payload] = ["BENCH_COUNT", "BENCH_PAYLOAD"].map(|name| variable(name).parse::<usize>().expect("a number"));
    let mut began = Instant::now();
    for i in 0..count {
        let mut args = vec![(i as i64).into(), 1.into()];
        if payload > 0 {
            args.push("x".repeat(payload).into());
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let job = object([("id", id.into()), ("type", "add".into()), ("args", Value::Array(args))]);
        assert_eq!(jobs.enqueue(job, encoding).expect("an answer"), "accepted");
        if i == 0 {
            began = Instant::now();
        }
    }
    println!("{{\"seconds\": {}}}", began.elapsed().as_secs_f64() * count as f64 / (count - 1) as f64);
    Ok(())
}

fn main() -> io::Result<()> {
    match env::args().nth(1).as_deref() {
        Some("about") => about(),
        Some("one") => one()?,
        _ => Worker::main(Settings::from_environment(), Handlers::from([("add", add as _), ("nap", nap as _)]), || ())?,
    }
    Ok(())
}
