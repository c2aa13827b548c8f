/** A Jobwire worker: profiles core, cancel, progress and workflow of SPEC.md. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { type Fields, type More, type Value, check, decode, delayRange, enqueueArguments, nextEnvelope, policy, read, readOutcome, Rejected, TooLarge, Unwritable, write, writeError } from "./codec.js";
import { type Job, outcome, ttl } from "./job.js";
import { connect, Fatal, Scripts } from "./scripts.js";
import { type Failure, Threads } from "./threads.js";

const setting = (name: string, otherwise: string) => process.env[`JOBWIRE_${name}`] ?? otherwise;
const queues = setting("QUEUES", "default").split(",");
const [concurrency, leaseMs, graceMs] = [setting("CONCURRENCY", "8"), setting("LEASE_MS", "15000"), setting("GRACE_MS", "25000")].map(Number) as [number, number, number];
const url = setting("REDIS_URL", "redis://localhost:6379/0");

const VERBS: Record<string, string> = { succeeded: "succeed", failed: "fail", cancelled: "cancel", expired: "expire" };

const scripts = new Scripts(connect(url), setting("NAMESPACE", "jobwire"));
const waker = connect(url);
const threads = new Threads(setting("HANDLERS", new URL("./handlers.js", import.meta.url).href));
const held = new Set<Job>();
const running = new Set<Job>();
let stopping = false;
let claiming = false;
let slotFree = () => {};
let clock = { server: 0, mine: 0 };

const report = (error: unknown) => console.error(String(error));

async function main(): Promise<void> {
  waker.on("close", () => { scripts.interrupted = true; }); // [CLAIM-12]
  process.on("SIGTERM", stop).on("SIGINT", stop);
  while (!(await scripts.load().then(() => true, () => pause(200, false))));
  void heartbeat();
  console.log("ready");
  await work();
}

async function work(): Promise<void> {
  let woken: string | undefined;
  while (!stopping && queues.length > 0) {
    while (running.size >= concurrency && !stopping) await new Promise<void>((free) => { slotFree = free; });
    let waitMs = 2000;
    for (const queue of [...queues]) {
      // Without a slot only the queue whose token was taken is asked: the next round begins with the first. [CLAIM-5] [CLAIM-9]
      const room = concurrency - running.size;
      try {
        waitMs = room === 0 && queue !== woken ? 0 : Math.min(waitMs, await claim(queue, room));
      } catch (error) {
        if (stopping) return;
        console.error(`no more claims from ${queue}: ${(error as Error).message} [CALL-5]`);
        queues.splice(queues.indexOf(queue), 1);
      }
    }
    woken = waitMs > 0 && running.size < concurrency && !stopping ? await idle(waitMs) : undefined;
  }
}

/** Claim and start up to `room` jobs; return for how many ms there is nothing more. Throws Fatal. */
async function claim(queue: string, room: number): Promise<number> {
  for (;;) {
    // What is held comes before what is new. [CLAIM-12]
    if (scripts.interrupted) scripts.interrupted = await extend().then(() => false);
    const rescue = [...held].some((job) => job.taken && !job.handingOver) ? 0 : 1;
    claiming = true;
    try {
      const [now, waitMs, taken, ...flat] = await scripts.once("claim", scripts.keys(queue), [randomBytes(16).toString("hex"), leaseMs, room, rescue]);
      clock = { server: now as number, mine: performance.now() };
      for (let at = 0; at < flat.length; at += 5) start(queue, taken === 1, flat.slice(at, at + 5));
      return waitMs as number;
    } catch (error) {
      if (error instanceof Fatal || stopping) throw error;
      await pause(100);
    } finally { claiming = false; }
  }
}

function start(queue: string, taken: boolean, [id, token, attempt, document, bytes]: (number | Buffer)[]): void {
  const job: Job = {
    queue, taken, id: String(id), token: String(token), attempt: attempt as number, run: parseInt(String(token)),
    document: document as Buffer, bytes: bytes as Buffer, envelope: {}, encoding: "json", cancelled: false, over: false,
  };
  held.add(job);
  if (stopping) return void settle(job, "release");
  running.add(job);
  void run(job).catch(report).finally(() => { running.delete(job); slotFree(); });
}

/** Block until a queue has something, or the time is over; return the queue whose token was taken. [CLAIM-7] */
async function idle(waitMs: number): Promise<string | undefined> {
  const lists = queues.map((queue) => scripts.key(queue, "wake"));
  const popped = await waker.blpopBuffer(lists, Math.max(waitMs, 10) / 1000).catch(() => pause(50, null));
  return popped === null ? undefined : queues[lists.indexOf(String(popped[0]))];
}

async function run(job: Job): Promise<void> {
  try {
    ({ job: job.envelope, encoding: job.encoding } = decode(job.bytes));
    const other = (["id", "queue"] as const).find((name) => job.envelope[name] !== job[name]);
    if (other !== undefined) throw new Rejected("invalid", `claimed under another ${other} [RUN-6]`, other);
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    job.encoding = error.code === "malformed" ? "json" : read(job.bytes).encoding;
    job.envelope = {};
    if (job.document.length > 0) return asDecided(job, false);
    return fail(job, error.code, error.message, error.field === undefined ? {} : { details: { field: error.field } });
  }
  const value = job.envelope;
  const flows = value["join"] !== undefined || ((value["then"] ?? []) as Value[]).length > 0;
  if (job.document.length > 0) return asDecided(job, flows);
  const expiresAt = value["expires_at"] as number | undefined;
  if (expiresAt !== undefined && expiresAt <= clock.server + performance.now() - clock.mine) {
    return settle(job, "expire", writeError(outcome(job, "expired"), "expired", `expires_at was ${expiresAt}`, {}, job.encoding), ttl(job));
  }
  if (!(await threads.knows(value["type"] as string))) return retryOrFail(job, { code: "unknown_type", message: `no handler for ${value["type"]}` });
  await attempt(job);
}

/** Settle a job as the document says that it came with. [RUN-2] [RUN-4] */
async function asDecided(job: Job, flows: boolean): Promise<void> {
  try {
    const { state, id } = readOutcome(job.document);
    const verb = VERBS[state];
    if (verb === undefined || id !== job.id) throw new Error(`expected the end of ${job.id}, got ${state} of ${id}`);
    if (verb === "succeed" && flows) return await handOver(job, job.document);
    return await settle(job, verb, job.document, verb === "fail" ? 0 : ttl(job));
  } catch (error) {
    return fail(job, "malformed", `the stored document is no outcome: ${(error as Error).message} [RUN-4]`);
  }
}

async function attempt(job: Job): Promise<void> {
  if (job.over) return; // its lease is lost [RUN-16]
  if (job.cancelled) return cancel(job);
  const timeoutMs = job.envelope["timeout_ms"] as number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const onBegin = () => {
    if (timeoutMs !== undefined) timer = setTimeout(() => {
      job.handler?.tell("timeout");
      void retryOrFail(job, { code: "timeout", message: `not done after ${timeoutMs} ms` }, 1000);
    }, Math.min(timeoutMs, 2 ** 31 - 1));
  };
  job.handler = threads.run({
    id: job.id, type: job.envelope["type"] as string, attempt: job.attempt, run: job.run, encoding: job.encoding,
    args: (job.envelope["args"] ?? []) as Value[], kwargs: (job.envelope["kwargs"] ?? {}) as Fields,
  }, onBegin, (value) => { job.progress = write(value, job.encoding); });
  const { result, error, unwritable } = await job.handler.ended;
  clearTimeout(timer);
  if (job.over) return;
  await (error === undefined ? succeed(job, result ?? null, unwritable) : retryOrFail(job, { code: "handler_error", ...error }));
}

async function succeed(job: Job, result: Value, unwritable?: string): Promise<void> {
  const { then, join } = job.envelope;
  const first = ((then ?? []) as Fields[])[0];
  try {
    if (unwritable !== undefined) throw new Unwritable(unwritable);
    check(result, join !== undefined ? 28 : first !== undefined ? 30 : 31);
    const document = write(outcome(job, "succeeded", result), job.encoding);
    if (first !== undefined) write(nextEnvelope(job.envelope, first, result, (then as Value[]).slice(1)), job.encoding);
    if (first !== undefined || join !== undefined) return await decide(job, document);
    return await settle(job, "succeed", document, ttl(job));
  } catch (error) {
    return unfit(job, error);
  }
}

/** Fail a job whose result, or next envelope, cannot be written. */
function unfit(job: Job, error: unknown): Promise<void> {
  if (job.cancelled) return cancel(job); // [CANCEL-3]
  if (error instanceof TooLarge) return fail(job, "result_too_large", error.message);
  if (error instanceof Unwritable) return fail(job, "result_unserializable", error.message);
  throw error;
}

async function retryOrFail(job: Job, failure: Failure & { code: string }, leastMs = 0): Promise<void> {
  if (job.cancelled) return cancel(job); // [CANCEL-3]
  const { code, message, final, ...more } = failure;
  const rules = policy(job.envelope);
  // An unknown type is no error of the handler: no_retry_on does not speak of it. [RUN-8]
  const refused = code !== "unknown_type" && (final === true || rules.no_retry_on.includes(more.type ?? code));
  if (refused || job.attempt >= rules.max_attempts) return fail(job, code, message, more);
  const number = code === "unknown_type" ? rules.max_delay_ms : Math.max(leastMs, delay(job));
  return settle(job, "retry", writeError(outcome(job, "retrying"), code, message, more, job.encoding), number);
}

function delay(job: Job): number {
  const [low, high] = delayRange(policy(job.envelope), job.attempt);
  return low + Math.floor(Math.random() * (high - low + 1));
}

function fail(job: Job, code: string, message: string, more: More = {}): Promise<void> {
  return settle(job, "fail", writeError(outcome(job, "failed"), code, message, more, job.encoding));
}

function cancel(job: Job): Promise<void> {
  return settle(job, "cancel", writeError(outcome(job, "cancelled"), "cancelled", "a cancel was requested", {}, job.encoding), ttl(job));
}

/** Store the outcome, hand over what comes next, close. [FLOW-3] */
async function decide(job: Job, document: Buffer): Promise<void> {
  const answer = await send(job, "decide", document, 0);
  if (answer === "done") return handOver(job, document);
  if (answer === "refused") return fail(job, "result_too_large", "the outcome was refused");
}

async function handOver(job: Job, document: Buffer): Promise<void> {
  job.handingOver = true;
  const { then, join } = job.envelope as { then?: Fields[]; join?: { group: string; index: number; size: number; then: Fields[]; ttl_ms?: number } };
  try {
    const steps = join?.then ?? then ?? [];
    let first: Value = read(document).value["result"] ?? null;
    if (join !== undefined) {
      const group = scripts.key(steps[0]!["queue"] as string, `join:${join.group}`);
      const { reply: [, count, size, ...values] } = await scripts.call("join", [group], [join.index, join.size, document, join.ttl_ms ?? 2592000000]);
      if (count === -1) return await fail(job, "result_too_large", "the outcomes of the group are over 1048576 bytes");
      if (count !== size) return await settle(job, "succeed", document, ttl(job));
      first = values.map((value) => read(value as Buffer).value);
    }
    const next = nextEnvelope(job.envelope, steps[0]!, first, steps.slice(1));
    const { queue, id } = next as { queue: string; id: string };
    const { reply: [, answer] } = await scripts.call("pass", scripts.keys(queue, [id]), enqueueArguments(next, job.encoding));
    if (String(answer) === "refused") return await fail(job, "result_too_large", "the next job was refused");
    return await settle(job, "succeed", document, ttl(job));
  } catch (error) {
    if (error instanceof Fatal) return fail(job, "invalid", error.message, { details: { field: "join.size" } }); // [FLOW-19]
    if (error instanceof Rejected) return fail(job, "malformed", error.message);
    return unfit(job, error);
  }
}

/** End a run: the first call for a job counts, what comes later is dropped. */
async function settle(job: Job, verb: string, document: Buffer = Buffer.alloc(0), number = 0): Promise<void> {
  if (job.over) return;
  job.over = true;
  const answer = await send(job, verb, document, number);
  job.over = answer !== "cancel" && answer !== "refused";
  if (answer === "cancel") return cancel(job); // [CANCEL-4]
  if (answer === "refused") return fail(job, "result_too_large", `${verb} was refused`);
  held.delete(job);
}

async function send(job: Job, verb: string, document: Buffer, number: number): Promise<string> {
  const settled = await scripts.call("settle", scripts.keys(job.queue, [job.id]), [job.id, job.token, verb, document, number]).catch(report);
  const answer = String(settled?.reply[1] ?? "lost");
  if (answer === "lost") lose(job, settled?.resent ?? false);
  return answer;
}

function lose(job: Job, perhapsMine: boolean): void {
  if (!held.delete(job)) return;
  job.over = true;
  job.handler?.tell("lost");
  console.error(`${perhapsMine ? "info" : "warning"}: the lease of ${job.id} is lost, its outcome is dropped [LEASE-3]`);
}

async function heartbeat(): Promise<void> {
  for (;;) {
    await pause(leaseMs / 4);
    await extend();
  }
}

/** Extend all leases, send the latest progress, hear of cancels. [LEASE-1] */
async function extend(): Promise<void> {
  for (const queue of new Set([...held].map((job) => job.queue))) {
    const jobs = [...held].filter((job) => job.queue === queue).slice(0, 1000);
    const args = jobs.flatMap((job) => [job.id, job.token, job.progress ?? ""]);
    for (const job of jobs) delete job.progress;
    const extended = await scripts.call("extend", scripts.keys(queue), [leaseMs, ...args]).catch(report);
    for (const [index, job] of jobs.entries()) {
      const answer = String(extended?.reply[index + 1]);
      if (answer === "lost" && !job.over) lose(job, extended!.resent);
      if (answer === "cancel" && !job.cancelled) { job.cancelled = true; job.handler?.tell("cancel"); }
    }
  }
}

/** Claim no more; wait for what runs, at most the grace; release the rest. [STOP-1..6] */
async function stop(): Promise<void> {
  if (stopping) await leave();
  stopping = true;
  slotFree();
  waker.disconnect();
  const end = performance.now() + graceMs;
  while ((running.size > 0 || claiming) && performance.now() < end) await pause(10);
  await leave();
}

async function leave(): Promise<void> {
  setTimeout(() => process.exit(0), 2000);
  await Promise.all([...running].map((job) => job.handler?.end()));
  await Promise.all([...held].filter((job) => !job.over).map((job) => settle(job, "release")));
  while (held.size > 0) await pause(5); // what ended by itself is being settled
  process.exit(0);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
