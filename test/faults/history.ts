/** Which writes of the lock the API server has carried out, and when: by the proxy of a story, or by what the API server tells a watch. */
import type { Cluster } from '../harness/cluster.ts';
import { machineMs, type ProxiedWrite } from '../harness/fault-exchange.ts';
import type { Story } from './cell.ts';

/** Her release, or the end of her lease: D after the last write that the API server carried out, without the margin that others add. */
export function freeByAlice(story: Story): { at: number; by: string } {
  const writes = story.writes();
  const last = writes.findLastIndex(({ holder }) => holder.startsWith('alice/'));
  const next = writes[last + 1];
  if (next?.holder === '') return { at: next.at, by: 'release' };
  return { at: (writes[last]?.at ?? 0) + story.durationMs, by: 'end of the lease' };
}

/** A write is dated by when it came by the proxy; before that it was sent. */
export function landed(writes: readonly ProxiedWrite[]): { at: number; holder: string }[] {
  return writes.filter(({ status }) => status !== undefined && status < 300);
}

export interface History {
  writes: { at: number; holder: string }[];
  end(): void;
}

/** What the API server tells of the lock, for those whose writes no proxy sees. Dated by renewTime, which is written before the send. */
export async function watchWrites(cluster: Cluster, namespace: string): Promise<History> {
  const writes: History['writes'] = [];
  const watch = await cluster.watch(`${leases(namespace)}?fieldSelector=metadata.name%3Dlock`);
  void (async () => {
    try {
      for await (const { type, object } of watch) {
        if (type !== 'ADDED' && type !== 'MODIFIED') continue;
        const { holderIdentity: holder = '', renewTime = '' } = object.spec;
        const writtenAt = machineMs() - (Date.now() - Date.parse(renewTime));
        const at = Math.min(machineMs(), Number.isNaN(writtenAt) ? Number.POSITIVE_INFINITY : writtenAt);
        if (writes.at(-1)?.at !== at || writes.at(-1)?.holder !== holder) writes.push({ at, holder });
      }
    } catch {
      // The API server is being mistreated: what came until then has to do.
    }
  })();
  return { writes, end: watch.close };
}

export const leases = (namespace: string): string => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
