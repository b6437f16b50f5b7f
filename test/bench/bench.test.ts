/** The benchmark's arithmetic: what is printed is what was measured. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gaps } from './mark.ts';
import { percentile } from './percentile.ts';
import { plotOf } from './plot.ts';
import { pageOf, readAll } from './publish.ts';
import { linesOf, type Result } from './results.ts';
import { stepsOf } from './trace.ts';

test('gaps between commands, whatever order they were written down in; negative where two ran together', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-bench-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'marks');
  writeFileSync(file, '30000000 40000000\n10000000 20000000\n39000000 50000000\n');
  assert.deepEqual(gaps(file), [10, -1]);
});

test('percentiles are values that were measured', () => {
  const sorted = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  assert.deepEqual(
    [0, 0.5, 0.9, 1].map((p) => percentile(sorted, p)),
    [1, 6, 10, 10],
  );
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('the steps of a hand-over count from the end of the command, and one that did not happen is left out', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-bench-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [notes, marks] = [join(folder, 'notes'), join(folder, 'marks')];
  writeFileSync(marks, '1000000 5000000\n12000000 20000000\n');
  writeFileSync(notes, '1 6000000 exited-heard\n1 8000000 PUT-sent\n2 10000000 event-heard\n2 11000000 start-sent\n');
  const [steps] = stepsOf(notes, marks);
  assert.deepEqual(
    [steps?.['supervisor said that it ended'], steps?.['release sent'], steps?.['event at the next'], steps?.['claim sent']],
    [1, 3, 5, undefined],
  );
  assert.equal(steps?.['command runs'], 7);
});

const result: Result = {
  id: 'example',
  title: 'An example',
  unit: 'ms',
  base: 'bob',
  rows: [
    { name: 'alice <1>', values: [3, 1, 2] },
    { name: 'bob', values: [4] },
  ],
};

test('ratios refer to the p50 of one row', () => {
  assert.deepEqual(
    linesOf(result).map(({ name, n, ratio, p50, p99, max }) => [name, n, ratio, p50, p99, max]),
    [
      ['alice <1>', 3, 0.5, 2, 3, 3],
      ['bob', 1, 1, 4, 4, 4],
    ],
  );
  assert.ok(linesOf({ ...result, base: 'nobody' }).every(({ ratio }) => Number.isNaN(ratio)));
});

test('a picture has a bar for each row, as long as its p50 on a scale of powers of ten', () => {
  const plot = plotOf(result);
  assert.match(plot, /alice &lt;1>/);
  const ends = [...plot.matchAll(/H([\d.]+)V\d+H230Z/g)].map(([, end]) => Number(end));
  assert.deepEqual(
    ends.map((end) => Math.round(10 ** ((end - 230) / 420))),
    [2, 4],
  );
  assert.ok(
    !/NaN|Infinity/.test(plotOf({ ...result, rows: [{ name: 'both at the same time', values: [-1, 0] }, ...result.rows] })),
  );
});

const PUBLISHED = fileURLToPath(new URL('../../docs/benchmarks', import.meta.url));

test('the published page and pictures say what the published values say', () => {
  const all = readAll(PUBLISHED);
  assert.equal(readFileSync(join(PUBLISHED, 'README.md'), 'utf8'), pageOf(all));
  for (const each of all) assert.equal(readFileSync(join(PUBLISHED, `${each.id}.svg`), 'utf8'), plotOf(each));
});
