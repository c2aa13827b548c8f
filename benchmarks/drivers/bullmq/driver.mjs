// BullMQ in Node. Variant `c<N>` is a worker of concurrency N; c1 is BullMQ's default, c50 the example of its documentation.
//
// BullMQ makes its own connections. Results are kept for ten minutes (removeOnComplete.age, as its documentation
// advises for production), all else is default. A copy of this file runs beside the node_modules that it needs.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Queue, QueueEvents, Worker } from 'bullmq';

const QUEUE = 'bench';
const RESULT_AGE_S = 600;
const SELF = fileURLToPath(import.meta.url);
const now = () => performance.now();

let stamps = null;

function stamp() {
  if (stamps === null) return;
  const ns = Buffer.alloc(8);
  ns.writeBigUInt64LE(BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6)));
  writeSync(stamps, ns);
}

const jobs = {
  async add([a, b]) {
    stamp();
    return a + b;
  },
  async nap([seconds]) {
    await sleep(seconds * 1000);
    stamp();
  },
};

const connection = (options) => ({ url: options.url });
const concurrency = (options) => Number(options.variant.slice(1));

function argsOf(i, { payload }) {
  return payload ? [i, 1, 'x'.repeat(payload)] : [i, 1];
}

function batch(first, size, options) {
  return Array.from({ length: size }, (_, i) => ({ name: 'add', data: argsOf(first + i, options) }));
}

async function openQueue(options) {
  const queue = new Queue(QUEUE, { connection: connection(options) });
  await queue.waitUntilReady();
  return queue;
}

// The first call of a connection loads the script: it is no part of a measurement, and leaves no job behind.
async function openWarmQueue(options) {
  const queue = await openQueue(options);
  const job = await queue.add('add', argsOf(0, options));
  await job.remove();
  return queue;
}

function about(options) {
  const version = (name) =>
    JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
  return {
    version: version('bullmq'),
    client: `ioredis ${version('ioredis')}, Node ${process.versions.node}`,
    settings: `concurrency ${concurrency(options)}; results kept ${RESULT_AGE_S} s; waits with QueueEvents; else defaults`,
  };
}

async function one(options) {
  const queue = await openWarmQueue(options);
  const began = now();
  for (let i = 0; i < options.count; i++) await queue.add('add', argsOf(i, options));
  return { seconds: (now() - began) / 1000 };
}

async function bulk(options) {
  const queue = await openWarmQueue(options);
  const began = now();
  for (let i = 0; i < options.count; i += options.chunk) {
    await queue.addBulk(batch(i, Math.min(options.chunk, options.count - i), options));
  }
  return { seconds: (now() - began) / 1000 };
}

async function trip(options) {
  const queue = await openQueue(options);
  const events = new QueueEvents(QUEUE, { connection: connection(options) });
  await events.waitUntilReady();
  const ms = [];
  for (let i = 0; i < options.warmup + options.count; i++) {
    const began = now();
    const job = await queue.add('add', argsOf(i, options));
    const result = await job.waitUntilFinished(events);
    if (i >= options.warmup) ms.push(now() - began);
    if (result !== i + 1) throw new Error(`expected ${i + 1}, got ${result}`);
  }
  return { ms };
}

// Every 10 ms what is due by then, as one bulk call.
async function load(options) {
  const queue = await openQueue(options);
  const began = now();
  let sent = 0;
  for (let passed = 0; passed < options.seconds; passed = (now() - began) / 1000) {
    const due = Math.floor(passed * options.rate) - sent;
    if (due > 0) await queue.addBulk(batch(sent, due, options));
    sent += due;
    await sleep(10);
  }
  return { sent };
}

async function nap(options) {
  const queue = await openQueue(options);
  const job = await queue.add('nap', [options.seconds]);
  return { id: job.id };
}

async function worker(options) {
  const stop = once(process, 'SIGTERM');
  if (options.processes > 1) {
    const alone = JSON.stringify({ ...options, processes: 1 });
    const children = Array.from({ length: options.processes }, () => fork(SELF, ['worker', alone]));
    await stop;
    await Promise.all(children.map((child) => (child.kill('SIGTERM'), once(child, 'exit'))));
    return;
  }
  if (process.env.BENCH_STAMPS) stamps = openSync(process.env.BENCH_STAMPS, 'a');
  const work = new Worker(QUEUE, (job) => jobs[job.name](job.data), {
    connection: connection(options),
    concurrency: concurrency(options),
    removeOnComplete: { age: RESULT_AGE_S },
  });
  work.on('error', (error) => console.error(error));
  await stop;
  await work.close();
}

const roles = { about, one, bulk, trip, load, nap, worker };
const [role, options] = process.argv.slice(2);
const answer = await roles[role](JSON.parse(options));
if (answer) writeSync(1, `${JSON.stringify(answer)}\n`);
process.exit();
