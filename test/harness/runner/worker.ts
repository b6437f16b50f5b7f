/**
 * The process under which a job's phases run, as `Runner.Worker` is on a real runner: it bears that name, starts what it is told to, and
 * tells its parent what is printed and how it ends. It can be killed without the phase that it has started noticing.
 */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Start {
  id: number;
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** How long after the end of the process its streams may stay open: somebody else holds them. */
  streamsMs: number;
}

export type Told = { id: number } & (
  | { type: 'started'; pid: number }
  | { type: 'printed'; text: string }
  /** `inherited`: its streams were still open when the time for that was over. */
  | { type: 'ended'; code: number | null; signal: NodeJS.Signals | null; inherited: boolean }
);

process.title = 'Runner.Worker';
let running: ChildProcess | undefined;
process.on('disconnect', () => {
  running?.kill('SIGKILL');
  process.exit(0);
});

const tell = (message: Told) => process.send?.(message);

process.on('message', ({ id, command, args, env, cwd, streamsMs }: Start) => {
  const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  const end = once((code: number | null, signal: NodeJS.Signals | null, inherited: boolean) => {
    running = undefined;
    tell({ id, type: 'ended', code, signal, inherited });
  });
  child.on('error', (error) => {
    tell({ id, type: 'printed', text: `${error.message}\n` });
    end(127, null, false);
  });
  if (child.pid === undefined) return;
  tell({ id, type: 'started', pid: child.pid });
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => tell({ id, type: 'printed', text }));
  child.once('exit', (code, signal) => {
    const late = setTimeout(() => {
      end(code, signal, true);
      child.stdout.destroy();
      child.stderr.destroy();
    }, streamsMs);
    child.once('close', () => {
      clearTimeout(late);
      end(code, signal, false);
    });
  });
});

function once<T extends unknown[]>(act: (...given: T) => void): (...given: T) => void {
  let done = false;
  return (...given) => {
    if (!done) act(...given);
    done = true;
  };
}
