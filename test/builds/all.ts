/**
 * `npm run test:builds`: other builds of what `npm test` has tried. The supervisor with AddressSanitizer, UndefinedBehaviorSanitizer and a look for
 * leaks; the standalone executable, end to end; supervisor and executable for arm64, emulated by qemu where this machine is another. Not part of `npm test`: it takes packages
 * that few machines have, and root, since the kernel has to be told of the emulator.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const EMULATOR = '/usr/bin/qemu-aarch64-static';
const LIBRARIES = '/usr/aarch64-linux-gnu';

/** What the emulator does not emulate: subreapers, the signals that a C library keeps, a program that it is not told of, the order of an environment. */
const NOT_EMULATED = [
  /a daemon that/,
  /chains of processes/,
  /processes that are left behind are waited for/,
  /where orphans are not adopted/,
  /without any table/,
  /death by each signal/,
  /each signal from 1 to 64/,
  /additions to the environment/,
];

const native = process.arch === 'arm64';
const missing = native ? [] : [EMULATOR, `${LIBRARIES}/lib/ld-linux-aarch64.so.1`].filter((file) => !existsSync(file));
if (missing.length > 0) {
  process.stdout.write(`missing: ${missing.join(', ')} (Debian: qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross)\n`);
  process.exit(1);
}

function step(name: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}): void {
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) process.exit(1);
}

const tests = ['--test', '--test-concurrency=2', '--test-timeout=60000'];
const skipped = native ? [] : NOT_EMULATED.map((pattern) => `--test-skip-pattern=${pattern}`);
const testsOf = (...names: string[]) => names.map((name) => `test/guard/supervisor/${name}.test.ts`);

const folder = mkdtempSync(join(tmpdir(), 'builds-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const sanitized = join(folder, 'supervisor');
const strict = [
  '-std=c99',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-g',
  '-O1',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
];
const sources = ['supervisor', 'first', 'system'].map((name) => `src/guard/supervisor/${name}.c`);
step('the supervisor with sanitizers: build', 'gcc', [...strict, ...sources, '-o', sanitized]);
step(
  'the supervisor with sanitizers',
  process.execPath,
  [...tests, ...testsOf('start', 'gone', 'deadline', 'protocol', 'first', 'terminal', 'transparent', 'trees')],
  { SUPERVISOR: sanitized, ASAN_OPTIONS: 'detect_leaks=1:exitcode=99' },
);

step('build', process.execPath, ['build.mjs', '--only', 'cli']);
step('the standalone executable', process.execPath, ['image/executable/build.mjs']);
const endToEnd = [
  ...['run-command', 'run-waits', 'run-interrupted', 'left-behind', 'terminal', 'status', 'namespace', 'credentials'],
  ...['golden', 'status-command', 'unlock', 'doctor', 'completion', 'help', 'kubectl-plugin'],
];
step(
  'the standalone executable, end to end',
  process.execPath,
  // There the guard has a session of its own, without /dev/tty: docs/clusters.md says so.
  [...tests, '--test-skip-pattern=/a plugin asks on the terminal/', ...endToEnd.map((name) => `test/e2e/${name}.test.ts`)],
  {
    K8S_LEASE_LOCK_TEST_EXECUTABLE: `${root}build/executable/k8s-lease-lock-linux-${process.arch}/k8s-lease-lock`,
  },
);
step('the supervisor for arm64', process.execPath, [...tests, ...skipped, ...testsOf('start', 'gone', 'deadline', 'protocol')], {
  SUPERVISOR: `${root}src/guard/supervisor/bin/linux-arm64`,
  ...(!native && { SUPERVISOR_AROUND: EMULATOR }),
});
step('the standalone executable for arm64', process.execPath, ['image/executable/build.mjs', 'arm64']);
// The registration is the mount's, so that nothing of it is left on the machine.
const register = `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && printf %s "$ARM64" >/proc/sys/fs/binfmt_misc/register && exec "$@"`;
const run = [process.execPath, ...tests, 'test/builds/arm64.test.ts'];
if (native) step('a guarded command on arm64', run[0] ?? '', run.slice(1));
else
  step('a guarded command on arm64', 'unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', register, 'sh', ...run], {
    // Magic and mask of an arm64 program; F opens the emulator now.
    ARM64:
      ':arm64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:' +
      `\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:${EMULATOR}:F`,
    QEMU_LD_PREFIX: LIBRARIES,
  });
