/** The fault matrix, lock: others change the Lease under its holder, in every way that the API allows. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import { altered, silence } from '../harness/fault-behaviours.ts';
import { machineMs } from '../harness/fault-exchange.ts';
import { type Cell, DURATION_MS, PROTOCOL, type Story } from './cell.ts';
import { MARK, startedBy } from './processes.ts';
import { REASONS } from './reasons.ts';
import { cellTests } from './story.ts';
import { work } from './worker.ts';

/** Longer than what those who have seen alice leave to her: the thief's own lease must count, too. */
const THIEF_MS = 2 * DURATION_MS;
const now = () => new Date().toISOString().replace('Z', '000Z');
const takenBy = (holder: string) => ({
  holderIdentity: holder,
  leaseDurationSeconds: THIEF_MS / 1000,
  acquireTime: now(),
  renewTime: now(),
});
/** What client-go writes when it releases; one that was paused may write it over whoever holds the lock by then. */
const cleared = () => ({ spec: { holderIdentity: '', leaseDurationSeconds: 1, renewTime: now() } });
const newLease = (spec: object) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'lock', labels: { made: 'by-others' } },
  spec,
});
const afterTheft = ({ marked }: Story) => ({ at: marked('theft') + THIEF_MS, by: "end of the thief's lease" });

/**
 * A thief that means it: it runs a command of its own. It takes the lock by force, and so it first waits until alice is gone; then it uses the
 * rest of its lease. Nobody sees that it runs: all that keeps bob away is the Lease.
 */
async function runThief({ folder, alice, marked }: Story): Promise<void> {
  await alice.finished;
  const leftMs = marked('theft') + THIEF_MS - machineMs();
  const [command = '', ...args] = work({ folder, who: 'thief' }, { livesMs: leftMs - 100 });
  const thief = spawn(command, args, { env: { ...process.env, [MARK]: folder }, stdio: 'ignore' });
  assert.deepEqual(await once(thief, 'exit'), [0, null]);
}

const thiefRan = (story: Story): void => assert.equal(startedBy(story, 'thief').length, 1, "the thief's command ran");

/** Whoever waits puts a deleted Lease back as it knew it: to be faster may take several tries. */
async function replace({ request, cluster, namespace, mark }: Story, what: () => object): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    mark('theft');
    await request('DELETE');
    const { status } = await cluster.request(
      'POST',
      `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`,
      newLease(what()),
    );
    if (status === 201) return;
  }
  assert.fail('somebody always was faster');
}

async function entriesOf({ lease }: Story, kind: 'holder' | 'waiter'): Promise<string[]> {
  return Object.keys((await lease()).metadata.annotations ?? {}).filter((name) => name.startsWith(`${kind}.`));
}

const cells: Cell[] = [
  {
    name: 'deleted',
    why: REASONS.remembered,
    async inject({ request, lease }) {
      const before = await lease();
      assert.equal((await request('DELETE')).status, 200);
      await sleep(DURATION_MS / 2);
      const after = await lease();
      assert.notEqual(after.metadata.uid, before.metadata.uid);
      assert.equal(after.spec.holderIdentity, before.spec.holderIdentity, 'put back by its holder, or by who waits for it');
      assert.notEqual(after.spec.renewTime, before.spec.renewTime, 'and renewed since');
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'deleted, and nobody can put it back',
    why: `${REASONS.stopped}; ${REASONS.remembered}`,
    async inject({ request, proxy }) {
      proxy.set(() => silence);
      assert.equal((await request('DELETE')).status, 200);
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease/],
  },
  {
    name: 'deleted, and taken by another client before its holder knows',
    why: REASONS.theft,
    async inject(story) {
      story.proxy.muteWatches();
      story.mark('theft');
      await replace(story, () => takenBy('thief'));
      await runThief(story);
    },
    after: thiefRan,
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it is held by thief/],
    freeFrom: afterTheft,
  },
  {
    name: 'deleted and created again, empty, by others',
    why: REASONS.remembered,
    async inject(story) {
      story.proxy.muteWatches();
      await replace(story, () => ({}));
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: another client cleared the lock/],
    async after({ lease }) {
      assert.equal((await lease()).metadata.labels?.made, 'by-others');
    },
  },
  {
    name: 'stolen',
    why: REASONS.theft,
    async inject(story) {
      story.mark('theft');
      await story.patch({ spec: takenBy('thief') });
      await runThief(story);
    },
    after: thiefRan,
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it is held by thief/],
    freeFrom: afterTheft,
  },
  {
    name: 'stolen while its holder reaches no API server',
    why: `${REASONS.stopped}; ${REASONS.theft}`,
    async inject({ patch, proxy, mark }) {
      proxy.muteWatches();
      proxy.set(() => silence);
      mark('theft');
      await patch({ spec: takenBy('thief') });
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it could not be renewed/],
    freeFrom: afterTheft,
  },
  {
    name: 'cleared by another client',
    why: REASONS.theft,
    work: { ignoresTerm: true },
    inject: ({ patch }) => patch(cleared()),
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: another client cleared the holder/],
  },
  {
    name: 'cleared by another client while its holder reaches no API server',
    why: `${REASONS.stopped}; ${REASONS.theft}`,
    async inject({ patch, proxy }) {
      proxy.muteWatches();
      proxy.set(() => silence);
      await patch(cleared());
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it could not be renewed/],
  },
  {
    name: 'all annotations taken away',
    why: REASONS.theft,
    inject: ({ patch }) => patch({ metadata: { annotations: null } }),
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: the holder entry was removed/],
  },
  {
    name: "the holder's annotation overwritten with invalid text",
    why: REASONS.kept,
    async inject(story) {
      const [entry = ''] = await entriesOf(story, 'holder');
      await story.patch({ metadata: { annotations: { [entry]: '{"id":' } } });
      await sleep(DURATION_MS / 2);
      const annotations = (await story.lease()).metadata.annotations ?? {};
      assert.match(annotations[entry] ?? '', /^\{"id":"alice\//, 'the next renewal mends it');
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: "the waiter's and the lock's annotations overwritten with invalid text",
    why: REASONS.kept,
    async inject(story) {
      const [entry = ''] = await entriesOf(story, 'waiter');
      await story.patch({ metadata: { annotations: { [entry]: '[]', [`${PROTOCOL}/lock`]: 'rubbish' } } });
      await sleep(DURATION_MS / 2);
      const annotations = (await story.lease()).metadata.annotations ?? {};
      assert.match(annotations[entry] ?? '', /^\{"id":"bob\//, 'bob is back in the queue');
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'spec.strategy set: the API server elects its holder',
    why: REASONS.gone,
    work: { ignoresTerm: true },
    inject: ({ proxy, patch }) => {
      proxy.set(() => altered((lease) => Object.assign(lease.spec, { strategy: 'OldestEmulationVersion' })));
      return patch({ metadata: { labels: { touched: 'yes' } } });
    },
    outcome: 'ends',
    code: EXIT.stopped.code,
    says: [/stopped: asked to stop by coordinated leader election: spec\.strategy is OldestEmulationVersion \(coordinated\)/],
    async after(story) {
      const carol = await story.guard('carol', { through: 'proxy' }).finished;
      assert.equal(carol.code, EXIT.configuration.code);
      assert.match(carol.stderr, /belongs to the API server's coordinated leader election/);
    },
  },
];

describe('lock', { concurrency: 4 }, () => cellTests('lock', cells));
