/** What is done to the cluster, to the guards, to their connections and to the Lease; each fault is over, as far as it can be, when it resolves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf } from '../faults/processes.ts';
import type { Wire } from '../faults/wire.ts';
import {
  type Behaviour,
  dated,
  failure,
  late,
  lostAnswer,
  lostSuccess,
  pass,
  type Rule,
  reset,
  respond,
  silence,
  truncated,
} from '../harness/fault-behaviours.ts';
import { guard, reach } from '../harness/guards.ts';
import { kill } from '../harness/processes.ts';
import { PREFIX } from '../simulation/document.ts';
import type { Author } from '../simulation/history.ts';
import { LEASE, type Rack, testOf } from './rack.ts';

const FOREIGN: Author = { name: 'a former leader', kind: 'elector', id: 'former', nonce: 'former', durationMs: 15_000 };
const ADMIN: Author = { name: 'admin', kind: 'admin', id: 'admin', nonce: 'admin', durationMs: 0 };

/** As people use the command line. */
function ofOperators(rack: Rack): Record<string, Fault> {
  const { cluster, namespace, random } = rack;
  const where = [...reach({ url: cluster.url, tokenFile: cluster.adminTokenFile, caFile: cluster.caFile }), '-n', namespace];
  const keys = async (prefix: string) => {
    const found = await cluster.request('GET', `${leasesIn(namespace)}/${LEASE}`).catch(() => undefined);
    const names = Object.keys(found?.body.metadata?.annotations ?? {});
    return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  };
  const operate = async (prefix: string, argsOf: (key: string) => string[]) => {
    const [first, ...more] = await keys(prefix);
    if (first) await guard(testOf(rack), [...argsOf(random.pick([first, ...more])), ...where, '--reason', 'torture']).finished;
  };
  return {
    'holder asked to stop': () => operate(PREFIX.holder, (key) => ['unlock', LEASE, '--holder', key, '--timeout', '5s']),
    'unlocked by force': () => operate(PREFIX.holder, (key) => ['unlock', LEASE, '--holder', key, '--force=live']),
    'waiter removed': () => operate(PREFIX.waiter, (key) => ['queue', LEASE, '--remove', key, '--timeout', '5s']),
  };
}

const leasesIn = (namespace: string) => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;

export type Fault = () => Promise<unknown>;

export const faultsOn = (rack: Rack): Record<string, Fault> => ({
  ...ofTheCluster(rack),
  ...ofConnections(rack),
  ...ofAnswers(rack),
  ...ofGuards(rack),
  ...ofTheLease(rack),
  ...ofOperators(rack),
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

const WRONG: readonly Behaviour[] = [
  respond(401, failure(401, 'Unauthorized', 'Unauthorized')),
  respond(403, failure(403, 'Forbidden', 'leases.coordination.k8s.io is forbidden')),
  respond(404, failure(404, 'NotFound', 'namespaces "torture" not found')),
  respond(422, failure(422, 'Invalid', 'admission webhook "policy.example.com" denied the request')),
  respond(429, failure(429, 'TooManyRequests', 'too many requests'), { 'retry-after': '3600' }),
  respond(500, failure(500, 'InternalError', 'etcdserver: leader changed')),
  respond(503, failure(503, 'ServiceUnavailable', 'shutting down'), { 'retry-after': '60' }),
  respond(200, '<html>Please log in</html>'),
  silence,
  reset,
  lostAnswer,
  lostSuccess,
  truncated,
  late(2500),
];

function ofAnswers({ proxies, random }: Rack): Record<string, Fault> {
  const during = async (ruleOf: () => Rule, longestMs: number) => {
    const some = proxies.filter(() => random.chance(0.5));
    for (const proxy of some) proxy.set(ruleOf());
    await sleep(random.between(200, longestMs));
    for (const proxy of some) proxy.set(undefined);
  };
  const wrong = () => random.pick(WRONG as [Behaviour, ...Behaviour[]]);
  return {
    'answers wrong in one way': () =>
      during(() => {
        const behaviour = wrong();
        return () => behaviour;
      }, 8000),
    'answers wrong now and then, in any way': () => during(() => () => (random.chance(0.3) ? wrong() : pass), 15_000),
    'answers of another time': () =>
      during(() => {
        const date = new Date(Date.now() + random.between(-3_600_000, 3_600_000)).toUTCString();
        return () => dated(date);
      }, 15_000),
    'watches silent': async () => {
      for (const proxy of proxies) if (random.chance(0.5)) proxy.muteWatches();
    },
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
    'supervisor killed': async () => {
      const [supervisor] = childrenOf(pick()?.pid ?? 0);
      if (supervisor) kill(supervisor.pid);
    },
  };
}

function ofTheLease({ cluster, namespace, deeds }: Rack): Record<string, Fault> {
  const path = `${leasesIn(namespace)}/${LEASE}`;
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
