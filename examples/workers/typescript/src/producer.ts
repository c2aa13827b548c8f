/** A Jobwire producer: enqueue, wait, cancel. */
import type { Redis } from "ioredis";
import { enqueueArguments, envelope, readOutcome, Rejected, write } from "./codec.js";
import type { Encoding, Fields, Value } from "./codec.js";
import { connect, Scripts } from "./scripts.js";

export interface Reference { queue: string; id: string }
export type Waited = { outcome: Fields } | { timeout: true } | { gone: true };

/** Enqueues jobs of one namespace and waits for their outcomes. */
export class Producer {
  private readonly scripts: Scripts;
  private readonly pushes: Redis;
  private loaded: Promise<void> | undefined;
  /** Whether an outcome is kept of what was enqueued here. */
  private readonly confirmed = new Map<string, boolean>();

  constructor(url: string, namespace = "jobwire") {
    this.scripts = new Scripts(connect(url), namespace);
    this.pushes = connect(url);
  }

  /**
   * Enqueue a job and return what the server answered: accepted, duplicate, finished, failed or refused.
   * Members that are left out have their defaults. Throws Rejected, Unwritable, TooLarge. [PROD-1..5]
   */
  async enqueue(job: Fields, format: Encoding = "json"): Promise<string> {
    const whole = envelope(job);
    const { id, queue } = whole as { id: string; queue: string };
    const answer = await this.run("enqueue", this.scripts.keys(queue, [id]), enqueueArguments(whole, format));
    const status = String(answer.reply[1]);
    if (status !== "refused") this.confirmed.set(`${queue}:${id}`, whole["result_ttl_ms"] !== 0);
    // Sent twice: it was perhaps the first that counted. [PROD-4]
    return answer.resent && ["duplicate", "finished", "failed"].includes(status) ? "accepted" : status;
  }

  /** Ask a job to stop: cancelled, requested, finished or unknown. */
  async cancel({ queue, id }: Reference): Promise<string> {
    const document = write({
      jobwire: "1.0", id, state: "cancelled", attempt: 0, finished_at: Date.now(),
      error: { code: "cancelled", message: "cancelled by its producer" },
    }, "json");
    const { reply, resent } = await this.run("cancel", this.scripts.keys(queue, [id]), [id, document, 3600000]);
    return resent && String(reply[1]) === "finished" ? "cancelled" : String(reply[1]);
  }

  /** Wait for the outcome of a job, or of a workflow: all its ids, first to last. [WAIT-1..5] [FLOW-16..18] */
  async wait(jobs: Reference[], timeoutMs: number): Promise<Waited> {
    const end = performance.now() + timeoutMs;
    const kept = jobs.map(({ queue, id }) => this.confirmed.get(`${queue}:${id}`));
    if (kept.at(-1) === false) throw new Rejected("invalid", "no outcome of it is kept [WAIT-6]", "result_ttl_ms");
    const channels = new Set(jobs.map(({ queue, id }) => this.scripts.key(queue, `result:${id}`)));
    let wake = () => {};
    const onMessage = (channel: string) => { if (channels.has(channel)) wake(); };
    this.pushes.on("smessage", onMessage);
    // Without the right to subscribe it goes on by looking. [WAIT-2]
    for (const channel of channels) this.pushes.ssubscribe(channel).catch(() => {});
    try {
      let seen = kept.some((known) => known !== undefined);
      while (performance.now() < end) {
        const pushed = new Promise<void>((resolve) => { wake = resolve; });
        const states = await this.look(jobs, end);
        seen ||= states.some(({ state }) => state !== "unknown");
        const ended = verdict(states, seen);
        if (ended !== undefined) return ended;
        await within(pushed, Math.min(1000, Math.max(1, end - performance.now())));
      }
      return { timeout: true };
    } finally {
      this.pushes.off("smessage", onMessage);
      for (const channel of channels) this.pushes.sunsubscribe(channel).catch(() => {});
    }
  }

  /** Close the connections. */
  close(): void {
    this.scripts.redis.disconnect();
    this.pushes.disconnect();
  }

  private async look(jobs: Reference[], end: number): Promise<Seen[]> {
    const seen: Seen[] = [];
    for (const { queue, id } of jobs) {
      const answer = await within(this.run("look", this.scripts.keys(queue, [id]), [id]), end - performance.now());
      if (answer === undefined) return [];
      const [, state, , document] = answer.reply;
      seen.push({ state: String(state), document: document as Buffer });
    }
    return seen;
  }

  private async run(name: string, keys: string[], args: (string | number | Buffer)[]) {
    await (this.loaded ??= this.scripts.load().catch(() => {}));
    return this.scripts.call(name, keys, args, false);
  }
}

interface Seen { state: string; document: Buffer }

function verdict(states: Seen[], seen: boolean): Waited | undefined {
  for (const [index, { state, document }] of states.entries()) {
    if (state !== "finished" && state !== "failed") continue;
    const value = readOutcome(document);
    // Another than the last ends the wait only by not succeeding. [FLOW-17]
    if (index === states.length - 1 || value["state"] !== "succeeded") return { outcome: value };
  }
  const gone = states.length > 0 && states.every(({ state }) => state === "unknown");
  return gone && seen ? { gone: true } : undefined;
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => { timer = setTimeout(() => resolve(undefined), Math.max(0, ms)); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Give the result of a succeeded job. */
export function resultOf(outcome: Fields): Value {
  return outcome["result"] ?? null;
}
