/** The Redis binding, SPEC.md section 7: keys, and calls of the scripts. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";

const NAMES = ["jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake"];
const LUA = process.env["JOBWIRE_LUA"] ?? fileURLToPath(new URL("../../../../lua", import.meta.url));

export type Argument = string | number | Buffer;
export type Reply = (number | Buffer)[];

/** An error that sending again does not mend: [CALL-5] [CALL-6]. */
export class Fatal extends Error {}

// Any other error of the server is not of the moment. [CALL-7] [CALL-8]
const PASSING = /^(READONLY|LOADING|TRYAGAIN|CLUSTERDOWN|MOVED|ASK|UNBLOCKED)\b/;

function passes(error: unknown): boolean {
  return (error as Error).name !== "ReplyError" || PASSING.test((error as Error).message);
}

/** Return a connection that neither queues nor sends again by itself: who calls decides that. */
export function connect(url: string): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false, retryStrategy: (n) => Math.min(20 * n, 500) });
  // Each call that fails says so itself.
  redis.on("error", () => {});
  return redis;
}

/** The scripts of one namespace on one connection. */
export class Scripts {
  /** A connection was lost since this was last set to false. */
  interrupted = false;
  private readonly sources = new Map<string, { text: string; sha: string }>();

  constructor(readonly redis: Redis, readonly namespace: string) {
    for (const file of readdirSync(LUA).filter((name) => name.endsWith(".lua"))) {
      const text = readFileSync(join(LUA, file), "latin1");
      this.sources.set(file.slice(0, -4), { text, sha: createHash("sha1").update(text, "latin1").digest("hex") });
    }
    redis.on("close", () => { this.interrupted = true; });
  }

  key(queue: string, name: string): string {
    return `${this.namespace}:{${queue}}:${name}`;
  }

  /** Return the keys of a call, with a result key for each id. */
  keys(queue: string, ids: string[] = []): string[] {
    return [...NAMES, ...ids.map((id) => `result:${id}`)].map((name) => this.key(queue, name));
  }

  /** Load all scripts. [CALL-1] */
  async load(): Promise<void> {
    await Promise.all([...this.sources.values()].map(({ text }) => this.redis.script("LOAD", text)));
  }

  /** Send a call once, loading forgotten scripts; any other error is the caller's. [CALL-2] */
  async once(name: string, keys: string[], args: Argument[]): Promise<Reply> {
    const { sha } = this.sources.get(name)!;
    try {
      return (await this.redis.callBuffer("EVALSHA", sha, keys.length, ...keys, ...args)) as Reply;
    } catch (error) {
      if ((error as Error).message.startsWith("JOBWIRE_")) throw new Fatal((error as Error).message);
      if (!(error as Error).message.startsWith("NOSCRIPT")) throw error;
    }
    await this.load();
    return this.once(name, keys, args);
  }

  /**
   * Send a call until it is answered; `resent` tells that an earlier one was perhaps executed.
   * Who is not patient gets an error that does not pass. [CALL-7..9]
   */
  async call(name: string, keys: string[], args: Argument[], patient = true): Promise<{ reply: Reply; resent: boolean }> {
    for (let resent = false, wait = 20; ; resent = true, wait = Math.min(wait * 2, 1000)) {
      try {
        return { reply: await this.once(name, keys, args), resent };
      } catch (error) {
        if (error instanceof Fatal || !(patient || passes(error))) throw error;
        console.error(`${name}: ${(error as Error).message}; sending again`);
        await pause(wait * (0.5 + Math.random() / 2));
      }
    }
  }
}
