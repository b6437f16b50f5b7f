/** The system clock, with the clocks that it reads replaced in a process of its own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

/** Advances of [monotonic, boot, wall] in ms; prints the clock's own advance, that for others, and its doubts. */
function clockAfter(...steps: [number, number, number][]): { now: number; steady: number; doubts: number } {
  const module = new URL('../src/clock.ts', import.meta.url).href;
  const code = `
    import { createRequire, syncBuiltinESMExports } from 'node:module';
    const at = { mono: 1000, boot: 5_000_000, wall: 1.7e12 };
    createRequire('/')('node:os').uptime = () => at.boot / 1000;
    syncBuiltinESMExports();
    performance.now = () => at.mono;
    Date.now = () => at.wall;
    const { systemClock } = await import(${JSON.stringify(module)});
    const clock = systemClock();
    const start = { now: clock.now(), steady: clock.steady() };
    for (const [mono, boot, wall] of ${JSON.stringify(steps)}) {
      at.mono += mono; at.boot += boot; at.wall += wall;
      clock.now();
    }
    console.log(JSON.stringify({ now: clock.now() - start.now, steady: clock.steady() - start.steady, doubts: clock.doubts() }));`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }));
}

const SECOND: [number, number, number] = [1000, 1000, 1000];

test('a suspend counts for one\u2019s own deadlines, and not for judging others', () => {
  assert.deepEqual(clockAfter(SECOND, [0, 3_600_000, 3_600_000], SECOND), { now: 3_602_000, steady: 2000, doubts: 0 });
});

test('boot time that leaps alone, as when lxcfs goes away, is doubted and not counted; a suspend after it is', () => {
  assert.deepEqual(clockAfter(SECOND, [0, 2_224_000, 0], SECOND), { now: 2000, steady: 2000, doubts: 1 });
  assert.deepEqual(clockAfter([0, 2_224_000, 0], [0, 60_000, 60_000]), { now: 60_000, steady: 0, doubts: 1 });
});

test('boot time that falls back is made up for: a suspend after it still counts', () => {
  assert.deepEqual(clockAfter(SECOND, [0, -4_000_000, 0], [0, 60_000, 60_000]), { now: 61_000, steady: 1000, doubts: 0 });
});

test('a wall clock that is set, and drift below a leap, change nothing of that', () => {
  assert.deepEqual(clockAfter([1000, 1000, 3_601_000], [1000, 1000, -7_199_000]), { now: 2000, steady: 2000, doubts: 0 });
  assert.equal(clockAfter([1000, 1010, 1000], [1000, 990, 1000]).doubts, 0);
});
