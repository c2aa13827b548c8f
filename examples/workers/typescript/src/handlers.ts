/** The handlers that the conformance suite asks for. */
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Context, Handler, Handlers } from "./threads.js";

const LOG = process.env["JOBWIRE_CONFORMANCE_LOG"];
const WORKER = process.env["JOBWIRE_WORKER"];

const plain: Handlers = {
  echo: (_, args, kwargs) => ({ args, kwargs }),

  add: (_, [x, y, ...more]) => {
    if (typeof x !== "number" || typeof y !== "number" || more.length > 0) throw new TypeError("add: expected two numbers");
    return x + y;
  },

  context: ({ id, attempt, run }) => ({ id, attempt, run }),

  fail: (_, __, { message = "failed", type = "ConformanceError", final = false, details, broken, odd }) => {
    if (odd) throw null;
    const error = new Error(`${message}${broken ? "\ud800" : ""}`);
    throw Object.assign(error, { name: type, final, ...(details === undefined ? {} : { details }) });
  },

  flaky: ({ attempt }, [times]) => {
    if (attempt <= (times as number)) throw failure("not yet");
    return attempt;
  },

  sleep: async ({ signal }, [ms]) => {
    await pause(ms as number, undefined, { signal }).catch(() => { throw failure(`told: ${signal.reason}`); });
    return ms;
  },

  busy: (_, [ms]) => {
    const end = performance.now() + (ms as number);
    while (performance.now() < end);
    return ms;
  },

  barrier: async (_, [path]) => {
    await opened(path as string);
    return "open";
  },

  progress: async ({ progress }, [values, path]) => {
    const taken = (values as unknown[]).map(progress);
    await opened(path as string);
    return taken;
  },

  until_cancelled: async ({ signal }, [how]) => {
    while (signal.reason !== "cancel") await pause(10);
    if (how !== "return") throw failure("cancelled");
    return "stopped";
  },

  big: (_, [n]) => "x".repeat(n as number),

  unserializable: (_, [how]) => {
    if (how === "deep") return Array.from({ length: 39 }).reduce((inner) => [inner], []);
    return how === "infinity" ? Infinity : NaN;
  },

  // Ends the process, as `process.exit` in a handler does.
  exit: (_, [code]) => process.exit(code as number),
};

function failure(message: string): Error {
  return Object.assign(new Error(message), { name: "ConformanceError" });
}

async function opened(path: string): Promise<void> {
  while (!existsSync(path)) await pause(10);
}

function logged(type: string, handler: Handler): Handler {
  return async (context, args, kwargs) => {
    log("start", type, context);
    try {
      return await handler(context, args, kwargs);
    } finally {
      log("end", type, context, { told: (context.signal.reason as string | undefined) ?? null });
    }
  };
}

function log(event: string, type: string, { id, attempt, run }: Context, more: object = {}): void {
  const at = performance.timeOrigin + performance.now();
  if (LOG) appendFileSync(LOG, `${JSON.stringify({ event, id, type, attempt, run, worker: WORKER, at, ...more })}\n`);
}

export const handlers: Handlers = Object.fromEntries(
  Object.entries(plain).map(([name, handler]) => [`conformance.${name}`, logged(`conformance.${name}`, handler)]),
);
