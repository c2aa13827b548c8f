// The jobs that are measured.

import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const { BENCH_STAMPS } = process.env;
const stamps = BENCH_STAMPS ? openSync(BENCH_STAMPS, 'a') : null;

function stamp() {
  if (stamps === null) return;
  const ns = Buffer.alloc(8);
  ns.writeBigUInt64LE(BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6)));
  writeSync(stamps, ns);
}

export const handlers = {
  add(_, [a, b]) {
    stamp();
    return a + b;
  },
  async nap(_, [seconds]) {
    await sleep(seconds * 1000);
    stamp();
  },
};
