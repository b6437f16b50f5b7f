/**
 * The runner's disk fills up, at each moment of the three phases: never a lock that is said to be lost and is not, never one that is left held, never a hang,
 * never a stack trace. The preloaded library full-disk.c counts what would take space, and lets it fail from then on.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { real } from '../harness/real.ts';
import { type JobResult, runJob } from '../harness/runner/index.ts';
import { lab } from './lab.ts';

const folder = mkdtempSync(join(tmpdir(), 'full-disk-'));
const library = join(folder, 'full-disk.so');
before(() => {
  const source = fileURLToPath(new URL('full-disk.c', import.meta.url));
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', library, source, '-ldl']);
});
after(() => rmSync(folder, { recursive: true, force: true }));

const MODES = { hold: {}, 'acquire-in pre': { 'acquire-in': 'pre' }, run: { run: 'echo ran' } };

for (const [name, given] of Object.entries(MODES)) {
  real(`${name}: a disk that fills up`, async (t) => {
    const at = await lab();
    const counter = join(folder, `count-${name.replaceAll(' ', '-')}`);
    const job = async (from: number): Promise<{ result: JobResult; count: number }> => {
      writeFileSync(counter, Buffer.alloc(8));
      const env = {
        LD_PRELOAD: library,
        FULL_COUNT: counter,
        FULL_FROM: String(from),
        FULL_FOLDER: join(tmpdir(), 'k8s-lease-lock-job-'),
      };
      const result = await runJob(t, [at.lock(given)], { env });
      return { result, count: Number(readFileSync(counter).readBigInt64LE()) };
    };
    const { result, count } = await job(1e9);
    assert.equal(result.conclusion, 'success', result.text);
    assert.ok(count >= 5, `only ${count} writes were seen`);
    for (let from = 1; from <= count; from += name === 'acquire-in pre' ? 3 : 1) {
      const { text: all, annotations, conclusion } = (await job(from)).result;
      const text = all.replace(/^::(?:add-mask|debug)::.*\n/gm, '');
      const seen = `from write ${from} of ${count} on:\n${text}`;
      assert.doesNotMatch(text, /^ +at |node:internal|was lost/m, seen);
      assert.ok(annotations.length <= 2, seen);
      if (conclusion === 'failure') assert.match(JSON.stringify(annotations), /disk is full|not written/, seen);
      assert.equal(await at.holder(), '', seen);
    }
  });
}
