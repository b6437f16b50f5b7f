/**
 * The fault matrix, API server: the server itself, or its etcd, is frozen, or killed and restarted. A cluster of its own, mistreated while
 * two stories run on it: one with a lease that ends meanwhile, one with a lease that outlives the outage.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import { type ChildServer, startChildServer } from '../harness/child-server.ts';
import { type OwnCluster, startCluster } from '../harness/cluster.ts';
import { kill } from '../harness/processes.ts';
import { missing } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { type Cell, DURATION_MS } from './cell.ts';
import { REASONS } from './reasons.ts';
import { play } from './story.ts';

interface Outage {
  name: string;
  begin(cluster: OwnCluster): void | Promise<void>;
  end(cluster: OwnCluster): void | Promise<void>;
}

/** Longer than the short lease and its kill, shorter than the long one by far, also on a busy machine. */
const OUTAGE_MS = DURATION_MS + 1000;
const LONG_MS = 30_000;

let etcd: { command: string[]; server?: ChildServer } | undefined;

const outages: Outage[] = [
  {
    name: 'the API server is frozen (SIGSTOP)',
    begin: ({ controlPlane }) => controlPlane.freeze('apiServer'),
    end: ({ controlPlane }) => controlPlane.resume('apiServer'),
  },
  {
    name: 'etcd is frozen (SIGSTOP)',
    begin: ({ controlPlane }) => controlPlane.freeze('etcd'),
    end: ({ controlPlane }) => controlPlane.resume('etcd'),
  },
  {
    name: 'the API server is killed (SIGKILL)',
    begin: ({ controlPlane }) => controlPlane.killApiServer(),
    end: ({ controlPlane }) => controlPlane.startApiServer(),
  },
  {
    name: 'etcd is killed (SIGKILL)',
    begin({ pids }) {
      etcd = { command: readFileSync(`/proc/${pids.etcd}/cmdline`, 'utf8').split('\0').filter(Boolean) };
      kill(pids.etcd);
    },
    async end({ controlPlane: { folder } }) {
      if (etcd) etcd.server = await startChildServer(etcd.command, { folder, logFile: join(folder, 'etcd-again.log') });
    },
  },
];

describe('API server', { concurrency: false, skip: missing }, () => {
  const starting = missing ? undefined : startCluster();
  after(async () => {
    await etcd?.server?.kill();
    await (await starting)?.stop();
  });
  for (const outage of outages) {
    test(`${outage.name}, and comes back`, async (t) => {
      const cluster = await starting;
      assert.ok(cluster);
      const together = gathering(2, async () => {
        await outage.begin(cluster);
        await sleep(OUTAGE_MS);
        await outage.end(cluster);
      });
      const cells: Cell[] = [
        {
          name: `${outage.name} for longer than the lease`,
          why: REASONS.stopped,
          inject: together,
          outcome: 'ends',
          code: EXIT.lost.code,
          says: [/lost Lease \S+: it could not be renewed/],
        },
        {
          name: `${outage.name} for less than the lease`,
          why: REASONS.kept,
          durationMs: LONG_MS,
          async inject({ writes }) {
            await together();
            const before = writes().length;
            await until(
              () => writes().length > before,
              () => 'no renewal since the outage',
            );
          },
          outcome: 'goes on',
          code: 0,
        },
      ];
      await Promise.all(cells.map((cell) => play(t, { group: 'API server', cluster, cell })));
    });
  }
});

/** Does it once, when all of `count` have come; each of them goes on when it is done. */
function gathering(count: number, act: () => Promise<void>): () => Promise<void> {
  let here = 0;
  let done = () => {};
  const acted = new Promise<void>((resolve) => {
    done = resolve;
  });
  return async () => {
    here += 1;
    if (here === count) await act().finally(done);
    await acted;
  };
}
