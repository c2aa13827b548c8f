/** A claimed job. */
import { hostname } from "node:os";
import { type Encoding, type Fields, present, type Value } from "./codec.js";
import type { Run } from "./threads.js";

/** One claimed job, until its settle is answered. */
export interface Job {
  queue: string; id: string; token: string; attempt: number; run: number; taken: boolean;
  document: Buffer; bytes: Buffer; envelope: Fields; encoding: Encoding;
  cancelled: boolean; progress?: Buffer; handler?: Run; over: boolean; handingOver?: true;
}

const worker = process.env["JOBWIRE_WORKER"] ?? `${hostname()}-${process.pid}`;

/** Return an outcome of this run, but for its error. */
export function outcome(job: Job, state: string, result: Value = null): Fields {
  return present({ jobwire: "1.0", id: job.id, state, attempt: job.attempt, result, worker, finished_at: Date.now() });
}

/** How long the outcome is kept; a step's for an hour, so that handing it over again finds it. [RUN-11] */
export function ttl(job: Job): number {
  const kept = (job.envelope["result_ttl_ms"] ?? 600000) as number;
  return job.envelope["parent_id"] === undefined ? kept : Math.max(kept, 3600000);
}
