/** The supervisor as the first process of an installation of its own, with a guard that does what a test tells it through its environment. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SUPERVISOR, tempFile } from './supervised.ts';

const protocol = fileURLToPath(new URL('../../../src/guard/supervisor/protocol.ts', import.meta.url));

/**
 * Its scenario, in the variable SCENARIO: `busy` ends with 75 and starts nothing, `own` ends with 76 after the command, `wait` starts it at the first signal, `serve` is no run at all.
 * What happens is written to standard error, a line each.
 */
const GUARD = `#!${process.execPath}
// Not process.stderr: Node makes a pipe non-blocking, for all that share it.
const say = (...words) => {
  try {
    require('node:fs').writeSync(2, words.join(' ') + '\\n');
  } catch {}
};
const scenario = process.env.SCENARIO ?? '';
const fd = Number(process.env.K8S_LEASE_LOCK_SUPERVISOR);
const numbers = require('node:os').constants.signals;
say('guard', process.pid, Object.keys(process.env).filter((name) => /^(LD_|NODE_|UV_|SSL_|K8S_)/.test(name)).sort().join());
async function main() {
  if (process.argv[2] !== 'run') {
    process.on('SIGTERM', () => process.exit(42));
    say('serving');
    if (scenario === 'serve') return void setInterval(() => {}, 1000);
    process.exit(3);
  }
  const { createDecoder, encode, NEVER_MS } = await import(${JSON.stringify(protocol)});
  if (scenario === 'busy') process.exit(75);
  const socket = new (require('node:net').Socket)({ fd });
  const decode = createDecoder();
  const send = (...all) => socket.write(Buffer.concat(all.map(encode)));
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'])
    process.on(name, () => {
      say('guard got', name);
      if (scenario === 'wait') return send({ kind: 'start', environment: {} }, { kind: 'clock' });
      send({ kind: 'signal', signal: numbers[name], unlessGroupHadIt: true });
    });
  const hear = (message) => {
    say('heard', JSON.stringify(message));
    if (message.kind === 'hello') {
      const index = process.argv.indexOf('--') - 1 + 1;
      const deadline = Number(process.env.DEADLINE_MS) ? message.nowMs + Number(process.env.DEADLINE_MS) : NEVER_MS;
      send({ kind: 'hello', version: 1 }, { kind: 'prepare', index, graceMs: Number(process.env.GRACE_MS ?? 100) }, { kind: 'deadline', terminateAtMs: deadline, killAtMs: deadline });
    }
    if (message.kind === 'ready' && scenario !== 'wait') send({ kind: 'start', environment: { LEASE_LOCK_NAME: 'x' } });
    if (message.kind === 'cannotStart') process.exit(127);
    if (message.kind === 'terminating' && message.reason === 'callerGone' && scenario === 'wait') process.exit(1);
    if (message.kind === 'allGone') {
      send({ kind: 'end', callerSees: scenario === 'own' ? 'exitCodeOfGuard' : 'endOfCommand' });
      socket.end();
      process.exitCode = scenario === 'own' ? 76 : 0;
    }
  };
  socket.on('data', (bytes) => decode(bytes).forEach(hear));
  socket.on('error', () => {});
  socket.on('close', () => say('supervisor gone'));
}
main();
`;

/** The folder of the installation; its program is \`k8s-lease-lock\`. */
export function install(): string {
  const folder = tempFile('installed');
  mkdirSync(`${folder}/lib`, { recursive: true });
  copyFileSync(SUPERVISOR, `${folder}/k8s-lease-lock`);
  chmodSync(`${folder}/k8s-lease-lock`, 0o755);
  writeFileSync(`${folder}/lib/guard`, GUARD, { mode: 0o755 });
  return `${folder}/k8s-lease-lock`;
}

export interface Standalone {
  readonly process: ChildProcess;
  output(): string;
  errors(): string;
  /** Resolves with what follows in the line, when something was written to standard output or error. */
  said(text: string): Promise<string>;
  readonly ended: Promise<number | string>;
}

export function start(file: string, args: string[], options: SpawnOptions = {}): Standalone {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  after(() => child.kill('SIGKILL')); // Where a test has failed.
  const texts = { stdout: '', stderr: '' };
  let wake = () => {};
  let closed = false;
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (bytes: Buffer) => {
      texts[name] += bytes.toString('latin1');
      wake();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => {
    closed = true;
    wake();
    return code ?? signal;
  });
  return {
    process: child,
    ended,
    output: () => texts.stdout,
    errors: () => texts.stderr,
    async said(text) {
      for (;;) {
        for (const all of [texts.stdout, texts.stderr]) {
          const at = all.indexOf(text);
          const end = all.indexOf('\n', at);
          if (at >= 0 && end >= 0) return all.slice(at + text.length, end);
        }
        if (closed) throw new Error(`ended without saying ${text}: ${texts.stdout} ${texts.stderr}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
