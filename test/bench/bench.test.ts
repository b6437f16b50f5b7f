/** The benchmark's arithmetic: what is printed is what was measured. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gaps } from './mark.ts';
import { percentile } from './percentile.ts';
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
