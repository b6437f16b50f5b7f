/** What is done to the cluster, to the guards, to their connections and to the Lease; each fault is over, as far as it can be, when it resolves. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Wire } from '../faults/wire.ts';
import type { Author } from '../simulation/history.ts';
import { LEASE, type Rack } from './rack.ts';

const FOREIGN: Author = { name: 'a former leader', kind: 'elector', id: 'former', nonce: 'former', durationMs: 15_000 };
const ADMIN: Author = { name: 'admin', kind: 'admin', id: 'admin', nonce: 'admin', durationMs: 0 };

export type Fault = () => Promise<unknown>;

export const faultsOn = (rack: Rack): Record<string, Fault> => ({
  ...ofTheCluster(rack),
  ...ofConnections(rack),
  ...ofGuards(rack),
  ...ofTheLease(rack),
});

function ofTheCluster({ cluster: { controlPlane }, random }: Rack): Record<string, Fault> {
  const frozen = (which: 'apiServer' | 'etcd') => async () => {
    await controlPlane.freeze(which);
    await sleep(random.between(300, 7000));
    controlPlane.resume(which);
  };
  return {
    'API server frozen': frozen('apiServer'),
    'etcd frozen': frozen('etcd'),
    'API server killed and restarted': async () => {
      await controlPlane.killApiServer();
      await controlPlane.startApiServer();
    },
  };
}

function ofConnections({ wires, random }: Rack): Record<string, Fault> {
  const cut = async (how: (wire: Wire) => void) => {
    const some = wires.filter(() => random.chance(0.4));
    for (const wire of some) how(wire);
    await sleep(random.between(500, 8000));
    for (const wire of some) wire.heal();
  };
  return {
    'connections half-open': () => cut((wire) => wire.blackhole()),
    'connections reset': () => cut((wire) => wire.reset()),
    'answers late': () => cut((wire) => wire.delay(random.between(100, 2500))),
  };
}

function ofGuards({ running, random }: Rack): Record<string, Fault> {
  const pick = () => [...running][Math.floor(random.between(0, running.size))];
  return {
    'guard stopped': async () => {
      const one = pick();
      one?.kill('SIGSTOP');
      await sleep(random.between(500, 9000));
      one?.kill('SIGCONT');
    },
    'guard killed': async () => pick()?.kill('SIGKILL'),
    'guard told to stop': async () => pick()?.kill('SIGTERM'),
  };
}

function ofTheLease({ cluster, namespace, deeds }: Rack): Record<string, Fault> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${LEASE}`;
  const forceful = async (method: string, change?: object) => {
    const options = change ? { contentType: 'application/merge-patch+json' } : {};
    const answer = await cluster.request(method, path, change, options).catch(() => undefined);
    return answer?.status === 200 ? answer.body : undefined;
  };
  return {
    'Lease deleted': () => forceful('DELETE'),
    'Lease cleared': async () => {
      const body = await forceful('PATCH', { spec: { holderIdentity: '', leaseDurationSeconds: 1 } });
      if (body) deeds.set(body.metadata.resourceVersion, { author: FOREIGN });
    },
    'entries spoiled': async () => {
      const found = await forceful('GET');
      const waiter = Object.keys(found?.metadata.annotations ?? {}).find((name) => name.startsWith('waiter.'));
      const body = waiter && (await forceful('PATCH', { metadata: { annotations: { [waiter]: '{"id":' } } }));
      if (body) deeds.set(body.metadata.resourceVersion, { author: ADMIN, deed: 'other' });
    },
  };
}
