/** A PostgreSQL of the tests' own, in their folder and on loopback. It does not run as root, which its own programs refuse. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, globSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type ChildServer, startChildServer } from './child-server.ts';
import { until } from './until.ts';

export interface Postgres {
  port: number;
  /** Resolves once it takes connections. */
  start(): Promise<ChildServer>;
}

/** The folder of its programs, which Debian keeps out of PATH; undefined where there is none. */
export const postgresPrograms = (): string | undefined => globSync('/usr/lib/postgresql/*/bin').sort().at(-1);

const NOBODY = 65534;

export async function newPostgres(programs: string, folder: string, port: number): Promise<Postgres> {
  const home = join(folder, 'postgres');
  const data = join(home, 'data');
  mkdirSync(home, { mode: 0o700 });
  const asRoot = process.getuid?.() === 0;
  if (asRoot) {
    chownSync(home, NOBODY, NOBODY);
    chmodSync(folder, 0o711); // Its way goes through there.
  }
  const as = asRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];
  const initdb = [
    ...as,
    join(programs, 'initdb'),
    '--username=postgres',
    '--auth=trust',
    '--no-sync',
    '--no-locale',
    '-E',
    'UTF8',
  ];
  const [file = '', ...args] = [...initdb, data];
  execFileSync(file, args, { cwd: '/', stdio: 'pipe' });
  const settings = ['fsync=off', 'listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories='];
  const command = [...as, join(programs, 'postgres'), '-D', data, ...settings.flatMap((setting) => ['-c', setting])];
  return {
    port,
    async start() {
      const server = await startChildServer(command, { folder, logFile: join(folder, 'postgres.log') });
      await until(async () => !server.alive() || (await listens(port)), 'PostgreSQL takes connections');
      if (!server.alive()) throw new Error(`PostgreSQL ended during its start; its last words:\n${server.logTail()}`);
      return server;
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
