/**
 * Where a test cluster's API servers store everything: etcd, or kine on SQLite or on PostgreSQL. Killed and started again on the same ports
 * with the same data.
 */
import { join } from 'node:path';
import type { ClusterBinaries } from '../cluster/binaries.ts';
import { type ChildServer, startChildServer } from './child-server.ts';
import { etcdCommand, kineCommand, type Ports } from './control-plane-commands.ts';
import { freePort } from './ports.ts';
import { newPostgres, type Postgres } from './postgres.ts';

export interface Store {
  /** To which the API servers speak. */
  front(): ChildServer;
  /** All processes of which none may be missing. */
  servers(): ChildServer[];
  /** SIGKILL to all of them, and a new start after `meanwhile`. */
  restart(meanwhile?: () => void | Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export async function startStore(binaries: ClusterBinaries, folder: string, ports: Ports): Promise<Store> {
  const postgres = binaries.postgres === undefined ? undefined : await newPostgres(binaries.postgres, folder, await freePort());
  const command = commandOf(binaries, folder, ports, postgres);
  let servers: ChildServer[] = [];
  const start = async () => {
    if (postgres) servers.push(await postgres.start());
    servers.push(await startChildServer(command, { folder, logFile: join(folder, 'etcd.log') }));
  };
  const stop = async () => {
    await Promise.all(servers.map((server) => server.kill()));
    servers = [];
  };
  await start();
  return {
    front: () => servers.at(-1) as ChildServer,
    servers: () => servers,
    async restart(meanwhile) {
      await stop();
      await meanwhile?.();
      await start();
    },
    stop,
  };
}

function commandOf({ etcd, kine }: ClusterBinaries, folder: string, ports: Ports, postgres: Postgres | undefined): string[] {
  return kine === undefined ? etcdCommand(etcd, folder, ports) : kineCommand(kine, folder, ports, postgres?.port);
}
