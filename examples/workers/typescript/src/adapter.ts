/** The adapter of the conformance suite: requests on standard input, answers on standard output. */
import { createInterface } from "node:readline";
import { decode, delayRange, envelope, policy, Rejected, TooLarge, Unwritable, withDefaults, write } from "./codec.js";
import type { Encoding, Fields } from "./codec.js";
import { Producer } from "./producer.js";
import type { Reference } from "./producer.js";

type Request = Fields & { op: string };

let lazy: Producer | undefined;
const producer = () => (lazy ??= new Producer(process.env["JOBWIRE_REDIS_URL"]!, process.env["JOBWIRE_NAMESPACE"]));

const operations: Record<string, (request: Request) => unknown> = {
  hello: () => ({
    name: "jobwire-typescript", version: "1.0.0", spec: "1.0",
    roles: ["codec", "producer", "worker"], profiles: ["core", "cancel", "progress", "workflow"],
  }),
  decode: ({ bytes }) => ({ job: withDefaults(decode(Buffer.from(bytes as string, "base64")).job) }),
  encode: ({ job, format }) => ({ bytes: write(envelope(job as Fields), format as Encoding).toString("base64") }),
  delay: ({ retry, attempt }) => ({ ms: delayRange(policy({ retry: retry ?? null }), attempt as number) }),
  enqueue: async ({ job, format }) => ({ status: await producer().enqueue(job as Fields, (format ?? "json") as Encoding) }),
  wait: ({ jobs, timeout_ms }) => producer().wait(jobs as unknown as Reference[], timeout_ms as number),
  cancel: async ({ queue, id }) => ({ status: await producer().cancel({ queue, id } as Reference) }),
};

async function answer(request: Request): Promise<unknown> {
  const operation = Object.hasOwn(operations, request.op) ? operations[request.op] : undefined;
  if (operation === undefined) return { unsupported: true };
  try {
    return await operation(request);
  } catch (error) {
    if (error instanceof Rejected) return { error: { code: error.code, field: error.field } };
    if (error instanceof Unwritable || error instanceof TooLarge) return { error: { code: "invalid" } };
    return { failed: String(error) };
  }
}

const pending = new Set<Promise<void>>();
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  const done = answer(request).then((value) => {
    process.stdout.write(`${JSON.stringify({ ref: request["ref"], ...(value as object) })}\n`);
    pending.delete(done);
  });
  pending.add(done);
}
await Promise.all(pending);
lazy?.close();
