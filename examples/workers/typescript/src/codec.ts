/** Envelopes and outcomes as SPEC.md sections 4, 5 and 10 have them: bytes to values, values to bytes. */
import { decode as unpack, encode as pack } from "@msgpack/msgpack";

export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };
export type Fields = { [key: string]: Value };
export type Encoding = "json" | "msgpack";
export type Code = "malformed" | "unsupported_version" | "invalid";

export const MAX_BYTES = 1048576;
const MAX_DEPTH = 32;
const READ_DEPTH = 500;

/** An envelope that cannot be taken; `field` names the bad field of an invalid one. */
export class Rejected extends Error {
  constructor(readonly code: Code, message: string, readonly field?: string) {
    super(message);
  }
}

/** A value that section 4.3 forbids a writer. */
export class Unwritable extends Error {}

/** The document is larger than section 4.3 allows. */
export class TooLarge extends Error {}

// ---- bytes

/** Return the value and the encoding of a document. Throws Rejected. [ENC-1] */
export function read(bytes: Uint8Array): { value: Fields; encoding: Encoding } {
  const first = bytes[0] ?? 0;
  try {
    if (first === 0x7b) return { value: plain(JSON.parse(utf8.decode(bytes)), READ_DEPTH) as Fields, encoding: "json" };
    if ((first >= 0x80 && first <= 0x8f) || first === 0xde || first === 0xdf) {
      return { value: plain(unpack(bytes, limits(bytes)), READ_DEPTH) as Fields, encoding: "msgpack" };
    }
  } catch (error) {
    throw new Rejected("malformed", `expected a document: ${(error as Error).message}`);
  }
  throw new Rejected("malformed", `expected the first byte of an object, got ${first} of ${bytes.length} bytes [ENC-1]`);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// A declared length can be 4 GiB; none is longer than the bytes that there are.
function limits(bytes: Uint8Array) {
  const most = bytes.length;
  return { maxStrLength: most, maxBinLength: most, maxArrayLength: most, maxMapLength: most, maxExtLength: most, mapKeyConverter };
}

// The library itself refuses the key __proto__, as VAL-12 allows.
function mapKeyConverter(key: unknown): string {
  if (typeof key !== "string") throw new Error("expected a string as key");
  return key;
}

// JSON.parse takes any depth; what goes through a value by recursion does not. It makes 1e400 infinite.
function plain(value: unknown, room: number): Value {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error("a number that no double can hold");
  if (typeof value === "string" && !value.isWellFormed()) throw new Error("half a surrogate pair");
  if (value === null || typeof value !== "object") return value as Value;
  if (!isPlain(value)) throw new Error("bin, ext and timestamp are no values [VAL-8]");
  if (room === 0) throw new Error(`deeper than ${READ_DEPTH}`);
  if (!Array.isArray(value)) Object.keys(value).forEach((key) => plain(key, 0));
  for (const member of Object.values(value)) plain(member, room - 1);
  return value as Value;
}

/** Return a document as bytes. Throws Unwritable and TooLarge. */
export function write(value: Fields, encoding: Encoding): Buffer {
  check(value, MAX_DEPTH);
  const bytes = encoding === "json" ? Buffer.from(JSON.stringify(value)) : Buffer.from(pack(value));
  if (bytes.length > MAX_BYTES) throw new TooLarge(`expected at most ${MAX_BYTES} bytes, got ${bytes.length} [VAL-10]`);
  return bytes;
}

/** Throw Unwritable if the value is none of section 4.3, or deeper than `room`. */
export function check(value: unknown, room: number): asserts value is Value {
  if (value === null || typeof value === "boolean") return;
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new Unwritable("a string holds half a surrogate pair [VAL-7]");
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new Unwritable(`${value} is not a finite number [VAL-5]`);
  } else if (typeof value !== "object" || !isPlain(value)) {
    throw new Unwritable(`${typeof value} is no value of section 4.3`);
  } else if (room < 1) {
    throw new Unwritable("deeper than a document can be [VAL-9]");
  } else if (Array.isArray(value)) {
    for (const member of value) check(member, room - 1);
  } else {
    checkKeys(Object.keys(value));
    for (const member of Object.values(value)) check(member, room - 1);
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}

function checkKeys(keys: string[]): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (!key.isWellFormed()) throw new Unwritable("a key holds half a surrogate pair [VAL-7]");
    const folded = key.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    if (seen.has(folded)) throw new Unwritable(`two keys differ only in case: ${key} [VAL-6]`);
    seen.add(folded);
  }
}

// ---- fields

type Rule = (value: Value) => boolean;

const id: Rule = (value) => typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/.test(value);
const queue: Rule = (value) => id(value) && !(value as string).includes(":");
const array: Rule = (value) => Array.isArray(value);
const object: Rule = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const boolean: Rule = (value) => typeof value === "boolean";
const words: Rule = (value) => typeof value === "string";
const between = (low: number, high: number): Rule => (value) => typeof value === "number" && value >= low && value <= high;
const integer = (low: number, high = Number.MAX_SAFE_INTEGER): Rule => (value) => Number.isInteger(value) && between(low, high)(value);

const COMMON: Record<string, Rule> = {
  args: array, kwargs: object, created_at: integer(0), run_at: integer(0), expires_at: integer(0),
  timeout_ms: integer(1), priority: integer(0, 9), retry: object, result_ttl_ms: integer(0), headers: object, join: object,
};
const REQUIRED: Record<string, Rule> = { id, type: id, queue };
const JOB: Record<string, Rule> = { ...COMMON, root_id: id, parent_id: id, then: array };
const STEP: Record<string, Rule> = { ...COMMON, pass_result: boolean };
const NOT_IN_STEP = ["jobwire", "then", "root_id", "parent_id"];
const RETRY: Record<string, Rule> = {
  max_attempts: integer(1, 1000), delay_ms: integer(0), factor: between(1, 1000),
  max_delay_ms: integer(0), jitter: between(0, 1), no_retry_on: array,
};
const JOIN_REQUIRED: Record<string, Rule> = { group: id, index: integer(0, 999), size: integer(1, 1000), then: array };
const JOIN: Record<string, Rule> = { ttl_ms: integer(1) };

/** Return the envelope in these bytes, its fields checked, absent ones left out. Throws Rejected. [FIELD-1..9] */
export function decode(bytes: Uint8Array): { job: Fields; encoding: Encoding } {
  const { value, encoding } = read(bytes);
  return { job: validate(value), encoding };
}

/** Check all fields of an envelope, and of its steps; leave out what is null. Throws Rejected. */
export function validate(value: Fields): Fields {
  checkVersion(value);
  checkFields(value, REQUIRED, JOB, "");
  checkFlow(value, new Set([value["id"] as string]), "");
  return present(value);
}

/** Throw Rejected unless the document is of major version 1. */
export function checkVersion(value: Fields): void {
  const version = value["jobwire"];
  if (typeof version !== "string" || !/^[0-9]+\.[0-9]+$/.test(version)) throw invalid("jobwire", version, "FIELD-4");
  if (!/^0*1\./.test(version)) throw new Rejected("unsupported_version", `expected version 1.x, got ${version} [FIELD-3]`);
}

function invalid(field: string, value: unknown, rule: string): Rejected {
  return new Rejected("invalid", `${field}: got ${JSON.stringify(value)?.slice(0, 80) ?? "nothing"} [${rule}]`, field);
}

function checkFields(value: Fields, required: Record<string, Rule>, optional: Record<string, Rule>, path: string): void {
  for (const [name, good] of Object.entries(required)) {
    const member = own(value, name);
    if (member === null || !good(member)) throw invalid(path + name, member, "FIELD-5");
  }
  for (const [name, good] of Object.entries(optional)) {
    const member = own(value, name);
    if (member !== null && !good(member)) throw invalid(path + name, member, "FIELD-5");
  }
  const retry = own(value, "retry");
  if (retry !== null && "retry" in optional) checkRetry(retry as Fields, `${path}retry.`);
}

function checkRetry(retry: Fields, path: string): void {
  checkFields(retry, {}, RETRY, path);
  const names = (own(retry, "no_retry_on") ?? []) as Value[];
  const bad = names.findIndex((name) => !words(name));
  if (bad >= 0) throw invalid(`${path}no_retry_on.${bad}`, names[bad], "FIELD-5");
}

// A document can have a member called __proto__ or constructor.
function own(value: Fields, name: string): Value {
  return Object.hasOwn(value, name) ? (value[name] ?? null) : null;
}

function checkFlow(value: Fields, seen: Set<string>, path: string): void {
  const join = own(value, "join") as Fields | null;
  const then = path === "" ? ((own(value, "then") ?? []) as Value[]) : [];
  if (join !== null && then.length > 0) throw new Rejected("invalid", `${path}join: beside then [FLOW-1]`, `${path}join`);
  checkSteps(then, seen, `${path}then.`);
  if (join === null) return;
  checkFields(join, JOIN_REQUIRED, JOIN, `${path}join.`);
  if ((join["index"] as number) >= (join["size"] as number)) throw invalid(`${path}join.index`, join["index"]!, "FIELD-5");
  if ((join["then"] as Value[]).length === 0) throw invalid(`${path}join.then`, [], "FIELD-5");
  checkSteps(join["then"] as Value[], seen, `${path}join.then.`);
}

function checkSteps(steps: Value[], seen: Set<string>, path: string): void {
  steps.forEach((step, index) => {
    const here = `${path}${index}`;
    if (!object(step)) throw invalid(here, step, "FLOW-2");
    const fields = step as Fields;
    const forbidden = NOT_IN_STEP.find((name) => Object.hasOwn(fields, name));
    if (forbidden) throw invalid(`${here}.${forbidden}`, fields[forbidden]!, "FLOW-1");
    checkFields(fields, REQUIRED, STEP, `${here}.`);
    if (seen.has(fields["id"] as string)) throw new Rejected("invalid", `${here}.id: stands twice [FLOW-2]`, `${here}.id`);
    if (own(fields, "join") !== null && index < steps.length - 1) {
      throw new Rejected("invalid", `${here}.join: only in the last step [FLOW-1]`, `${here}.join`);
    }
    seen.add(fields["id"] as string);
    checkFlow(fields, seen, `${here}.`);
  });
}

/** Leave out the members that are null. [FIELD-9] */
export function present(value: Fields): Fields {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));
}

/** Leave out the members that are null in an envelope and in the tables within it. [FIELD-10] */
export function presentThroughout(value: Fields): Fields {
  const within = (name: string, member: Value): Value => {
    if ((name === "retry" || name === "join") && object(member)) return presentThroughout(member as Fields);
    if (name !== "then" || !Array.isArray(member)) return member;
    return member.map((step) => (object(step) ? presentThroughout(step as Fields) : step));
  };
  return Object.fromEntries(Object.entries(present(value)).map(([name, member]) => [name, within(name, member)]));
}

/** Return an envelope of a job as an application gives it: what it leaves out filled in, all checked. Throws Rejected. */
export function envelope(job: Fields): Fields {
  return validate({ jobwire: "1.0", queue: "default", ...presentThroughout(job) });
}

/** Return id, envelope, run_at, max_attempts and priority, as enqueue and pass take them. [PROD-1] */
export function enqueueArguments(job: Fields, encoding: Encoding): (string | Buffer | number)[] {
  const { id, run_at, priority } = { ...DEFAULTS, run_at: 0, ...present(job) } as unknown as { id: string; run_at: number; priority: number };
  return [id, write(job, encoding), run_at, policy(job).max_attempts, priority];
}

const RETRY_DEFAULTS = { max_attempts: 3, delay_ms: 1000, factor: 2, max_delay_ms: 300000, jitter: 0.1, no_retry_on: [] };
const DEFAULTS = { args: [], kwargs: {}, priority: 4, result_ttl_ms: 600000, headers: {}, then: [] };

export type Policy = { max_attempts: number; delay_ms: number; factor: number; max_delay_ms: number; jitter: number; no_retry_on: string[] };

/** Return how an envelope or step is retried, defaults filled in. */
export function policy(job: Fields): Policy {
  return { ...RETRY_DEFAULTS, ...present((own(job, "retry") ?? {}) as Fields) } as Policy;
}

/** Return an envelope with the defaults of section 4.2. */
export function withDefaults(job: Fields): Fields {
  return { ...DEFAULTS, ...present(job), retry: policy(job) };
}

/** Return the lowest and the highest delay in ms after this attempt. [RETRY-6] */
export function delayRange(rules: Policy, attempt: number): [number, number] {
  let ms = Math.min(rules.delay_ms, rules.max_delay_ms);
  for (let n = 1; n < attempt; n += 1) ms = Math.min(ms * rules.factor, rules.max_delay_ms);
  return [Math.floor(ms * (1 - rules.jitter)), Math.floor(ms)];
}

/** Return the text with valid Unicode only, cut on a character to so many bytes of UTF-8. [OUT-4] */
export function text(value: string, bytes: number): string {
  const whole = Buffer.from(value.toWellFormed());
  let end = Math.min(bytes, whole.length);
  while (end < whole.length && (whole[end]! & 0xc0) === 0x80) end -= 1;
  return whole.subarray(0, end).toString();
}

const OUTCOME: Record<string, Rule> = { id, state: (value) => STATES.has(value as string), attempt: integer(0), finished_at: integer(0) };
const STATES = new Set(["succeeded", "failed", "cancelled", "expired", "retrying"]);
const ERROR: Record<string, Rule> = { code: words, message: words };

/** Return the outcome in these bytes, as section 5 has it. Throws Rejected. [OUT-2] [OUT-3] */
export function readOutcome(bytes: Uint8Array): Fields & { state: string } {
  const { value } = read(bytes);
  checkVersion(value);
  checkFields(value, OUTCOME, { worker: id, error: object }, "");
  if (value["state"] === "succeeded") return value as Fields & { state: string };
  if (own(value, "error") === null) throw invalid("error", null, "OUT-3");
  checkFields(value["error"] as Fields, ERROR, { type: words, stack: words }, "error.");
  return value as Fields & { state: string };
}

/** Return the envelope that a job hands over: a step, with what went before as first argument. [FLOW-6..10] */
export function nextEnvelope(job: Fields, { pass_result, ...step }: Fields, first: Value, rest: Value[]): Fields {
  const own = (step["args"] ?? []) as Value[];
  return present({
    ...step, jobwire: job["jobwire"]!, args: pass_result === false ? own : [first, ...own],
    then: rest.length > 0 ? rest : null, parent_id: job["id"]!, root_id: job["root_id"] ?? job["id"]!,
  });
}

/** What an error says, besides its code and message. */
export interface More { type?: string; details?: Value; stack?: string }

/** Return the bytes of an outcome with an error; details, then the stack go if they do not fit. [OUT-4] [OUT-5] */
export function writeError(outcome: Fields, code: string, message: string, { type, details, stack }: More, encoding: Encoding): Buffer {
  const least: Fields = { code, message: text(message, 4096), ...(type !== undefined && { type: text(type, 256) }) };
  const withStack = stack === undefined ? least : { ...least, stack: text(stack, 16384) };
  for (const error of [details === undefined ? withStack : { ...withStack, details }, withStack]) {
    try {
      return write({ ...outcome, error }, encoding);
    } catch {
      continue;
    }
  }
  return write({ ...outcome, error: least }, encoding);
}
