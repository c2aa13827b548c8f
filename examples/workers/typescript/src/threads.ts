/** Handlers run in threads, so that a busy one holds up neither leases nor time-outs nor other jobs. */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { check, Unwritable, write } from "./codec.js";
import type { Encoding, Fields, Value } from "./codec.js";

const MAX_PROGRESS = 65536;

/** Why a handler should stop. */
export type Told = "cancel" | "timeout" | "lost" | "stop";

/** What a handler knows about its run. */
export interface Context {
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
  readonly run: number;
  /** Aborted when the handler should stop; its reason is a Told. */
  readonly signal: AbortSignal;
  /** Report progress, an object of at most 65536 bytes; returns whether it was taken. */
  progress(value: unknown): boolean;
}

export type Handler = (context: Context, args: Value[], kwargs: Fields) => unknown;
export type Handlers = Record<string, Handler>;

/** An error that is final: the job is not retried. */
export class Final extends Error {
  override name = "Final";
  readonly final = true;
}

/** What a handler threw. */
export interface Failure { message: string; type?: string; stack?: string; details?: Value; final?: boolean }
export interface Ended { result?: Value; error?: Failure; unwritable?: string }
export interface Task { id: string; type: string; attempt: number; run: number; encoding: Encoding; args: Value[]; kwargs: Fields }
export interface Run { ended: Promise<Ended>; tell(reason: Told): void; end(): Promise<unknown> }

type FromThread = Ended & { begun?: true; progress?: Fields };

/** A pool that grows to as many threads as jobs run at a time. */
export class Threads {
  private readonly free: Worker[] = [];
  private readonly types: Promise<Set<string>>;

  constructor(private readonly module: string) {
    this.types = import(module).then(({ handlers }: { handlers: Handlers }) => new Set(Object.keys(handlers)));
  }

  /** Tell whether there is a handler of this type. */
  async knows(type: string): Promise<boolean> {
    return (await this.types).has(type);
  }

  /** Start a handler in a thread of its own. */
  run(task: Task, onBegin: () => void, onProgress: (value: Fields) => void): Run {
    const thread = this.free.pop() ?? new Worker(fileURLToPath(import.meta.url), { workerData: this.module });
    let ending = false;
    const ended = new Promise<Ended>((resolve) => {
      thread.removeAllListeners();
      thread.on("message", (message: FromThread) => {
        if (message.begun) return onBegin();
        if (message.progress !== undefined) return onProgress(message.progress);
        this.free.push(thread);
        resolve(message);
      });
      // What is thrown outside of the handler's promise ends the thread, and is the handler's error all the same.
      thread.on("error", (error: unknown) => { ending = true; resolve({ error: describe(error) }); });
      // A handler that ends the process means the process, not its thread.
      thread.on("exit", (code) => { if (!ending) process.exit(code); });
      thread.postMessage({ task });
    });
    return {
      ended,
      tell: (reason) => thread.postMessage({ tell: reason, id: task.id }),
      end: () => { ending = true; return thread.terminate(); },
    };
  }
}

function describe(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error) };
  const { message, name, stack, details, final } = error as Error & { details?: Value; final?: boolean };
  const shown = process.env["JOBWIRE_STACK"] === "off" ? undefined : stack; // [SEC-2]
  return { message, type: name, ...(shown && { stack: shown }), ...(details !== undefined && { details }), ...(final && { final }) };
}

// ---- in the thread

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const { handlers } = (await import(workerData as string)) as { handlers: Handlers };
  let current: { id: string; controller: AbortController } | undefined;
  port.on("message", (message: { task?: Task; tell?: Told; id?: string }) => {
    if (message.task === undefined) {
      if (message.id === current?.id) current?.controller.abort(message.tell);
      return;
    }
    const { task } = message;
    current = { id: task.id, controller: new AbortController() };
    const { signal } = current.controller;
    const context = { ...task, signal, progress: (value: unknown) => report(port, value, task.encoding) };
    // Telling needs a turn of this thread's loop before the handler can take it.
    setImmediate(() => {
      port.postMessage({ begun: true });
      void call(handlers[task.type]!, context, task).then((ended) => {
        current = undefined;
        port.postMessage(ended);
      });
    });
  });
}

async function call(handler: Handler, context: Context, { args, kwargs }: Task): Promise<Ended> {
  try {
    const result = (await handler(context, args, kwargs)) ?? null;
    check(result, 31);
    return { result };
  } catch (error) {
    return error instanceof Unwritable ? { unwritable: error.message } : { error: describe(error) };
  }
}

function report(port: NonNullable<typeof parentPort>, value: unknown, encoding: Encoding): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  try {
    if (write(value as Fields, encoding).length > MAX_PROGRESS) return false; // [OUT-7]
  } catch {
    return false;
  }
  port.postMessage({ progress: value });
  return true;
}

if (!isMainThread && parentPort !== null) await serve(parentPort);
