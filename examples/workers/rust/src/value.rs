//! Values of SPEC.md section 4.3, and documents as bytes.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

pub const MAX_BYTES: usize = 1_048_576;
pub const MAX_INTEGER: i64 = 9_007_199_254_740_991;
const MAX_DEPTH: usize = 32;

pub type Fields = BTreeMap<String, Value>;

/// A value; an integer beyond 2^53 is read as the nearest float, as section 4.3 says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    Array(Vec<Value>),
    Object(Fields),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Encoding {
    Json,
    MessagePack,
}

/// What section 4.3 forbids a writer.
#[derive(Debug, PartialEq)]
pub enum Unwritable {
    TooLarge,
    NoValue(String),
}

impl fmt::Display for Unwritable {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Unwritable::TooLarge => write!(out, "over {MAX_BYTES} bytes [VAL-10]"),
            Unwritable::NoValue(why) => out.write_str(why),
        }
    }
}

/// Read the value and the encoding of a document, or say what is wrong with it. [ENC-1]
pub fn read(bytes: &[u8]) -> Result<(Fields, Encoding), String> {
    let (value, encoding) = match bytes.first() {
        Some(b'{') => (serde_json::from_slice(bytes).map_err(|error| error.to_string())?, Encoding::Json),
        Some(0x80..=0x8f | 0xde | 0xdf) => (unpack(bytes)?, Encoding::MessagePack),
        first => return Err(format!("expected the first byte of an object, got {first:02x?} [ENC-1]")),
    };
    match value {
        Value::Object(fields) => Ok((fields, encoding)),
        _ => Err("expected an object".into()),
    }
}

fn unpack(bytes: &[u8]) -> Result<Value, String> {
    let mut rest = bytes;
    let value = Value::deserialize(&mut rmp_serde::Deserializer::new(&mut rest)).map_err(|error| error.to_string())?;
    if rest.is_empty() { Ok(value) } else { Err(format!("{} bytes after the end of the value", rest.len())) }
}

/// Write a document as bytes.
pub fn write(fields: &Fields, encoding: Encoding) -> Result<Vec<u8>, Unwritable> {
    check_object(fields, MAX_DEPTH)?;
    let bytes = match encoding {
        Encoding::Json => serde_json::to_vec(fields).map_err(|error| Unwritable::NoValue(error.to_string()))?,
        Encoding::MessagePack => rmp_serde::to_vec(fields).map_err(|error| Unwritable::NoValue(error.to_string()))?,
    };
    if bytes.len() > MAX_BYTES { Err(Unwritable::TooLarge) } else { Ok(bytes) }
}

/// Check that a value may be written and is no deeper than `room`.
pub fn check(value: &Value, room: usize) -> Result<(), Unwritable> {
    match value {
        Value::Integer(number) if number.unsigned_abs() > MAX_INTEGER as u64 => no_value(format!("the integer {number} [VAL-3]")),
        Value::Float(number) if !number.is_finite() => no_value(format!("{number} is not finite [VAL-5]")),
        Value::Array(_) if room == 0 => no_value("deeper than a document can be [VAL-9]".into()),
        Value::Array(members) => members.iter().try_for_each(|member| check(member, room - 1)),
        Value::Object(members) => check_object(members, room),
        _ => Ok(()),
    }
}

fn check_object(fields: &Fields, room: usize) -> Result<(), Unwritable> {
    if room == 0 {
        return no_value("deeper than a document can be [VAL-9]".into());
    }
    let mut folded: Vec<String> = fields.keys().map(|key| key.to_ascii_lowercase()).collect();
    folded.sort_unstable();
    if let Some(pair) = folded.windows(2).find(|pair| pair[0] == pair[1]) {
        return no_value(format!("two keys differ only in case: {} [VAL-6]", pair[0]));
    }
    fields.values().try_for_each(|member| check(member, room - 1))
}

fn no_value(why: String) -> Result<(), Unwritable> {
    Err(Unwritable::NoValue(why))
}

impl Value {
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The integer, in whatever notation it came. [VAL-1]
    pub fn as_integer(&self) -> Option<i64> {
        self.as_number().filter(|number| number.fract() == 0.0 && number.abs() <= MAX_INTEGER as f64).map(|number| number as i64)
    }

    pub fn as_array(&self) -> Option<&Vec<Value>> {
        if let Value::Array(members) = self { Some(members) } else { None }
    }

    pub fn as_object(&self) -> Option<&Fields> {
        if let Value::Object(members) = self { Some(members) } else { None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}

/// An object of these members.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Fields {
    members.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => out.serialize_unit(),
            Value::Bool(value) => out.serialize_bool(*value),
            Value::Integer(value) => out.serialize_i64(*value),
            Value::Float(value) => out.serialize_f64(*value),
            Value::String(value) => out.serialize_str(value),
            Value::Array(members) => out.collect_seq(members),
            Value::Object(members) => out.collect_map(members),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Value, D::Error> {
        source.deserialize_any(Values)
    }
}

/// What it does not name is no value: bin, ext, timestamps, keys that are no strings.
struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a value of section 4.3")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(if value.unsigned_abs() > MAX_INTEGER as u64 { Value::Float(value as f64) } else { Value::Integer(value) })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(if value > MAX_INTEGER as u64 { Value::Float(value as f64) } else { Value::Integer(value as i64) })
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if !value.is_finite() {
            return Err(E::custom("a number that is not finite"));
        }
        let integral = value.fract() == 0.0 && value.abs() <= MAX_INTEGER as f64;
        Ok(if integral { Value::Integer(value as i64) } else { Value::Float(value) })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = source.next_element()? {
            members.push(member);
        }
        Ok(Value::Array(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut members = Fields::new();
        while let Some((key, member)) = source.next_entry()? {
            // As a String, a key could be bin.
            let Value::String(key) = key else { return Err(A::Error::custom("a key that is no string")) };
            members.insert(key, member);
        }
        Ok(Value::Object(members))
    }
}
