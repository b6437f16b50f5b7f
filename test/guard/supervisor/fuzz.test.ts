/** Whatever a guard sends, the supervisor neither crashes nor hangs. FUZZ_MESSAGES and FUZZ_SEED make it a long run. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tempFile } from './supervised.ts';

const sources = fileURLToPath(new URL('../../../src/guard/supervisor/', import.meta.url));

test('random, mutated and cut messages', () => {
  const program = tempFile('fuzz');
  const fuzz = fileURLToPath(new URL('fuzz.c', import.meta.url));
  const strict = ['-std=c99', '-Wall', '-Wextra', '-Werror', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  execFileSync('gcc', ['-g', '-O1', ...strict, `-I${sources}`, fuzz, `${sources}system.c`, `${sources}first.c`, '-o', program]);
  const wanted = process.env.FUZZ_MESSAGES ?? '100000';
  const said = execFileSync(program, [wanted, process.env.FUZZ_SEED ?? '1'], { encoding: 'utf8' });
  assert.ok(Number.parseInt(said, 10) >= Number(wanted), said);
});
