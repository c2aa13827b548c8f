//! The Redis binding, SPEC.md section 7: keys, and calls of the scripts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs, io};

use crate::codec::{array_of, integer_of, text_of};
use crate::value::{Fields, Value};
use rand::Rng;
use redis::{Client, Connection, ErrorKind, RedisError, Value as Reply, cmd};

const NAMES: [&str; 10] = ["jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake"];
/// Errors of the moment. [CALL-7]
const PASSING: [&str; 7] = ["READONLY", "LOADING", "TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK", "UNBLOCKED"];

/// An error that sending again does not mend: [CALL-5] [CALL-6], and [CALL-8] for who is not patient.
#[derive(Debug)]
pub struct Fatal(pub String);

/// The scripts of one namespace, on as many connections as calls are made at a time.
pub struct Scripts {
    client: Client,
    namespace: String,
    patient: bool,
    sources: HashMap<String, (String, Vec<u8>)>,
    idle: Mutex<Vec<Connection>>,
    /// A connection was lost.
    pub interrupted: AtomicBool,
}

impl Scripts {
    pub fn new(url: &str, namespace: &str, patient: bool) -> io::Result<Scripts> {
        let client = Client::open(url).map_err(io::Error::other)?;
        let mut sources = HashMap::new();
        for file in fs::read_dir(folder())? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "lua") {
                let text = fs::read(&path)?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let script = redis::Script::new(&String::from_utf8_lossy(&text));
                sources.insert(name, (script.get_hash().to_string(), text));
            }
        }
        Ok(Scripts { client, namespace: namespace.into(), patient, sources, idle: Mutex::default(), interrupted: false.into() })
    }

    pub fn key(&self, queue: &str, name: &str) -> String {
        format!("{}:{{{queue}}}:{name}", self.namespace)
    }

    /// The keys of a call, with a result key for each id.
    pub fn keys(&self, queue: &str, ids: &[&str]) -> Vec<String> {
        let results = ids.iter().map(|id| format!("result:{id}"));
        NAMES.iter().map(|name| name.to_string()).chain(results).map(|name| self.key(queue, &name)).collect()
    }

    /// Load all scripts. [CALL-1]
    pub fn load(&self) -> Result<(), RedisError> {
        self.with_connection(|connection| {
            let mut pipe = redis::pipe();
            for (_, text) in self.sources.values() {
                pipe.cmd("SCRIPT").arg("LOAD").arg(text);
            }
            pipe.exec(connection)
        })
    }

    /// Send a call once, and load scripts that the server has forgotten. [CALL-2]
    pub fn once<A: AsRef<[u8]>>(&self, name: &str, keys: &[String], arguments: &[A]) -> Result<Vec<Reply>, RedisError> {
        let mut call = cmd("EVALSHA");
        call.arg(&self.sources[name].0).arg(keys.len()).arg(keys);
        for argument in arguments {
            call.arg(argument.as_ref());
        }
        match self.with_connection(|connection| call.query(connection)) {
            Err(error) if error.kind() == ErrorKind::NoScriptError => {
                self.load()?;
                self.once(name, keys, arguments)
            }
            reply => reply,
        }
    }

    /// Send a call until it is answered; the flag tells that an earlier one was perhaps executed.
    pub fn call<A: AsRef<[u8]>>(&self, name: &str, keys: &[String], arguments: &[A]) -> Result<(Vec<Reply>, bool), Fatal> {
        let mut wait_ms = 20;
        loop {
            let resent = wait_ms > 20;
            match self.once(name, keys, arguments) {
                Ok(reply) => return Ok((reply, resent)),
                Err(error) if is_fatal(&error) || !(self.patient || passes(&error)) => return Err(Fatal(error.to_string())),
                Err(error) => eprintln!("{name}: {error}; sending again"),
            }
            sleep(Duration::from_millis(rand::rng().random_range(wait_ms / 2..wait_ms)));
            wait_ms = (wait_ms * 2).min(1000);
        }
    }

    /// Store the outcome of a member; once all are there the reply has them in order. [FLOW-8]
    pub fn join(&self, join: &Fields, document: &[u8]) -> Result<Vec<Reply>, Fatal> {
        let queue = array_of(join, "then").first().and_then(Value::as_object).map(|step| text_of(step, "queue")).unwrap_or_default();
        let key = self.key(&queue, &format!("join:{}", text_of(join, "group")));
        let [index, size, ttl_ms] =
            [("index", 0), ("size", 1), ("ttl_ms", 2_592_000_000)].map(|(name, otherwise)| integer_of(join, name, otherwise).to_string());
        self.call("join", &[key], &[index.as_bytes(), size.as_bytes(), document, ttl_ms.as_bytes()]).map(|(reply, _)| reply)
    }

    /// Block on lists for at most so long; return the one that had something. A fraction of a second is no argument of the client's own call.
    pub fn block(&self, lists: &[String], wait_ms: i64) -> Result<Option<String>, RedisError> {
        let seconds = format!("{:.3}", wait_ms.max(10) as f64 / 1000.0);
        let popped: Option<(String, String)> =
            self.with_connection(|connection| cmd("BLPOP").arg(lists).arg(&seconds).query(connection))?;
        Ok(popped.map(|(list, _)| list))
    }

    /// A connection of its own, such as to subscribe with.
    pub fn connect(&self) -> Result<Connection, RedisError> {
        let connection = self.client.get_connection_with_timeout(Duration::from_secs(5))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(connection)
    }

    fn with_connection<T>(&self, talk: impl FnOnce(&mut Connection) -> Result<T, RedisError>) -> Result<T, RedisError> {
        let free = self.idle.lock().unwrap().pop();
        let told = free.map_or_else(|| self.connect(), Ok).and_then(|mut connection| {
            let reply = talk(&mut connection);
            if !reply.as_ref().is_err_and(|error| error.code().is_none()) {
                self.idle.lock().unwrap().push(connection);
            }
            reply
        });
        if told.as_ref().is_err_and(|error| error.code().is_none()) {
            self.interrupted.store(true, Ordering::SeqCst);
            self.idle.lock().unwrap().clear(); // they are likely as old
        }
        told
    }
}

/// The scripts that were beside this when it was built, unless named.
fn folder() -> PathBuf {
    env::var_os("JOBWIRE_LUA").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../lua"), PathBuf::from)
}

pub fn is_fatal(error: &RedisError) -> bool {
    error.code().is_some_and(|code| code.starts_with("JOBWIRE_"))
}

/// No code: the connection was lost.
fn passes(error: &RedisError) -> bool {
    error.code().is_none_or(|code| PASSING.contains(&code))
}

/// The bytes of a part of a reply.
pub fn bytes(reply: &Reply) -> &[u8] {
    if let Reply::BulkString(bytes) = reply { bytes } else { &[] }
}

pub fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(bytes(reply)).into_owned()
}

pub fn number(reply: &Reply) -> i64 {
    if let Reply::Int(number) = reply { *number } else { 0 }
}
