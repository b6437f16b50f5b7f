/**
 * Loaded into a guard before its own code: a machine whose clocks run fast or slow, whose wall clock jumps, that was suspended; an event loop that
 * hangs. What it does is said by a file that the test writes (`Fault` in story.ts), read again every few milliseconds.
 */
import { readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';

const FILE = process.env.FAULT_PRELOAD;
const LOOK_MS = 15;

let fault = { from: { machineMs: 0, bootMs: 0 } };
look();

const rate = fault.rate ?? 1;
const real = {
  now: performance.now.bind(performance),
  hrtime: process.hrtime.bigint.bind(process.hrtime),
  date: Date,
  setTimeout: globalThis.setTimeout,
};
const started = { now: real.now(), wall: Date.now() };
const require = createRequire(import.meta.url);
const os = require('node:os');
const bootSeconds = os.uptime.bind(os);
const scaled = (value, from) => from + (value - from) * rate;

performance.now = () => scaled(real.now(), started.now);
process.hrtime.bigint = () => BigInt(Math.round(scaled(Number(real.hrtime()) / 1e6, fault.from.machineMs) * 1e6));
os.uptime = () => (scaled(bootSeconds() * 1000, fault.from.bootMs) + (fault.suspendedMs ?? 0)) / 1000;
// A suspend moves the wall clock as well as boot time.
const wall = () => started.wall + (real.now() - started.now) * rate + (fault.wallMs ?? 0) + (fault.suspendedMs ?? 0);
globalThis.Date = new Proxy(real.date, {
  construct: (target, args) => (args.length === 0 ? new target(wall()) : new target(...args)),
  get: (target, name) => (name === 'now' ? wall : Reflect.get(target, name)),
});
if (rate !== 1) globalThis.setTimeout = (callback, ms = 0) => real.setTimeout(callback, ms / rate);

syncBuiltinESMExports();

let hung = false;
setInterval(() => {
  look();
  if (fault.hang?.pid !== process.pid || hung) return;
  hung = true;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, fault.hang.ms);
}, LOOK_MS).unref();

function look() {
  fault = JSON.parse(readFileSync(FILE, 'utf8'));
}
