// Jobwire's worker and producer in TypeScript; example.py says how it is called.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const EXAMPLE = new URL('../../../examples/workers/typescript/', import.meta.url);
const { BENCH_COUNT: count, BENCH_ENCODING: encoding, BENCH_PAYLOAD: payload, JOBWIRE_REDIS_URL: url } = process.env;

function about() {
  const client = new URL('node_modules/ioredis/package.json', EXAMPLE);
  console.log(`ioredis ${JSON.parse(readFileSync(client)).version}, Node ${process.versions.node}`);
}

// The first call makes the connection and loads the scripts: it is not timed, the time of the others is scaled to all.
async function one() {
  const { Producer } = await import(new URL('dist/producer.js', EXAMPLE));
  const jobs = new Producer(url);
  const more = Number(payload) ? ['x'.repeat(Number(payload))] : [];
  let began;
  for (let i = 0; i < count; i++) {
    const status = await jobs.enqueue({ id: randomUUID(), type: 'add', args: [i, 1, ...more] }, encoding);
    if (status !== 'accepted') throw new Error(`expected accepted, got ${status}`);
    began ??= performance.now();
  }
  console.log(JSON.stringify({ seconds: ((performance.now() - began) / 1000) * (count / (count - 1)) }));
  jobs.close();
}

// Become `node dist/worker.js`, which starts when it is the program that was called.
async function worker() {
  const program = new URL('dist/worker.js', EXAMPLE);
  process.env.JOBWIRE_HANDLERS = new URL('handlers.mjs', import.meta.url).href;
  process.argv[1] = fileURLToPath(program);
  await import(program);
}

await { about, one, worker }[process.argv[2]]();
