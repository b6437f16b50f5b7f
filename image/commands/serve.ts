/**
 * `serve`: the embedded API server as a command, until it is interrupted. It says where it listens, and that it is no cluster, on
 * standard error; nothing goes to standard output.
 */
import { type LeaseServer, startLeaseServer } from '../server/server.ts';

export interface ServeOptions {
  port?: number;
  host?: string;
  data?: string;
  /** Ends it; without one, SIGINT and SIGTERM do. */
  signal?: AbortSignal;
  say?: (line: string) => void;
}

/** Resolves once it has ended. Rejects when it can't listen or can't read its data. */
export async function serve({ signal, say = sayOnStderr, ...options }: ServeOptions = {}): Promise<void> {
  const server = await startLeaseServer({ ...options, report: (problem) => say(`lease server: ${problem}`) });
  announce(server, options.data, say);
  await (signal ? aborted(signal) : interrupted());
  await server.close();
}

function announce(server: LeaseServer, data: string | undefined, say: (line: string) => void): void {
  say(
    'This is no cluster: one process that answers for Leases only, without users or TLS, for laptops, demonstrations and tests.',
  );
  say(data === undefined ? 'Leases are in memory and end with it.' : `Leases are kept in ${data}.`);
  say(`Listening on ${server.url}; try: kubectl --server ${server.url} get leases`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      process.off('SIGINT', end);
      process.off('SIGTERM', end);
      resolve();
    };
    process.on('SIGINT', end);
    process.on('SIGTERM', end);
  });
}

function sayOnStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
