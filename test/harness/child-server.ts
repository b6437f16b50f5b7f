/**
 * Starts a server as a child that dies with this process, however this process ends, SIGKILL included: a small shell reads a pipe
 * from here, and when the pipe closes it kills the server and removes its folder. Only processes started here are ever signalled,
 * each by its own pid. A running server does not keep this process alive.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface ChildServer {
  readonly pid: number;
  readonly logFile: string;
  /** True until the server has been reaped. */
  alive(): boolean;
  /** Resolves with the exit code (128 + signal) once the server is gone. */
  readonly ended: Promise<number>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>;
  logTail(): string;
}

/**
 * fd 3 tells the server's pid; fd 4 keeps the pipe from the parent, because a shell gives its background jobs an empty stdin. The
 * watcher outlives a kill of the shell itself. The folder goes only when the parent is gone: otherwise the parent removes it. The trap
 * is there because the death of the server makes the shell end the watcher, which still has the folder to remove.
 */
const WATCHED = `
exec 4<&0
folder=$1; shift
"$@" </dev/null 3>&- 4<&- &
server=$!
{
  exec 3>&-
  read -r _ <&4
  trap '' TERM
  kill -KILL "$server" 2>/dev/null
  while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
  rm -rf "$folder"
} &
watcher=$!
echo "$server" >&3
exec 3>&-
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`;

/** `folder` is removed when this process dies without having stopped the server. */
export async function startChildServer(command: string[], options: { folder: string; logFile: string }): Promise<ChildServer> {
  const log = openSync(options.logFile, 'a');
  const shell = spawn('sh', ['-c', WATCHED, 'sh', options.folder, ...command], {
    // A session of its own: an interrupt from the terminal is for the tests, which then end and take the server with them.
    detached: true,
    stdio: ['pipe', log, log, 'pipe'],
  });
  closeSync(log);
  const ended = once(shell, 'exit').then(([code]) => Number(code));
  const pid = await serverPid(shell);
  shell.unref();
  (shell.stdin as unknown as { unref(): void }).unref();
  const alive = () => shell.exitCode === null && shell.signalCode === null;
  const signal = (name: NodeJS.Signals) => {
    if (alive()) process.kill(pid, name);
  };
  return {
    pid,
    logFile: options.logFile,
    alive,
    ended,
    signal,
    async kill() {
      signal('SIGKILL');
      shell.ref();
      await ended;
    },
    logTail: () => readFileSync(options.logFile, 'utf8').split('\n').slice(-25).join('\n'),
  };
}

async function serverPid(shell: ChildProcess): Promise<number> {
  let text = '';
  for await (const chunk of shell.stdio[3] as NodeJS.ReadableStream) text += String(chunk);
  const pid = Number(text.trim());
  if (!(pid > 0)) throw new Error('the shell that starts a server ended without telling its pid');
  return pid;
}
