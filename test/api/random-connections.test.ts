/** The real client on connections that go wrong in every way a seed can think of: each request ends in its time, with an answer that is true. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../../src/api/answers.ts';
import { randomOf } from '../simulation/random.ts';
import { clientOf, lease } from './client.ts';
import { randomServer, turnOf } from './random-server.ts';

const SEEDS = Number(process.env.CONNECTION_SEEDS ?? 40);
const REQUESTS = 12;
const TIMEOUT_MS = 250;
/** What a busy machine may add. */
const SLACK_MS = 2000;

const marked = (mark: string) => ({ ...lease, metadata: { ...lease.metadata, annotations: { mark } } });
const markOf = (answer: Answer) => (answer.kind === 'lease' ? answer.lease.metadata.annotations?.mark : undefined);

async function play(seed: number): Promise<Set<string>> {
  const random = randomOf(seed, 'connections');
  const server = await randomServer(random, () => turnOf(random));
  const client = clientOf(server.url);
  const kinds = new Set<string>();
  try {
    for (let i = 0; i < REQUESTS; i++) {
      const startedAt = performance.now();
      const mark = `${seed}/${i}`;
      const writes = random.chance(0.6);
      const answer = writes
        ? await client.write(marked(mark), { timeoutMs: TIMEOUT_MS, manager: 'k8s-lease-lock' })
        : await client.read({ timeoutMs: TIMEOUT_MS });
      const about = `seed ${seed}, request ${i}: ${JSON.stringify(answer)}`;
      assert.ok(performance.now() - startedAt < TIMEOUT_MS + SLACK_MS, `late: ${about}`);
      // One more where the credentials were refused; one that was given up may arrive late.
      assert.ok(server.requests <= 2 * (i + 1), `${server.requests} requests: ${about}`);
      kinds.add(answer.kind === 'failed' ? `failed, ${answer.applied}` : answer.kind);
      if (!writes) continue;
      const applied = server.applied.some(({ metadata }) => metadata.annotations?.mark === mark);
      if (answer.kind === 'lease') assert.ok(applied && markOf(answer) === mark, `it was not carried out: ${about}`);
      // Where the server lies about itself (a status of refusal for what it has done), nobody can know.
      if (answer.kind === 'failed' && answer.applied === 'no' && !/\b\d{3}\b/.test(answer.message))
        assert.ok(!applied, `it was carried out: ${about}`);
    }
  } finally {
    client.close();
    server.close();
  }
  return kinds;
}

test(`${SEEDS} servers whose answers are cut, late, false or missing`, async () => {
  const kinds = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed += 10) {
    const some = Array.from({ length: Math.min(10, SEEDS - seed + 1) }, (_, i) => play(seed + i));
    for (const each of await Promise.all(some)) for (const kind of each) kinds.add(kind);
  }
  for (const kind of ['lease', 'absent', 'conflict', 'refused', 'failed, unknown', 'failed, no'])
    assert.ok(kinds.has(kind), `no answer was ${kind}: ${[...kinds]}`);
});

const WATCH_MS = 3000;

test('watches that are cut, late, false or silent: events are whole, go forward, and end with the watch; it comes back, and not too often', async () => {
  let events = 0;
  const watching = Array.from({ length: 20 }, async (_, i) => {
    const random = randomOf(i, 'watch');
    const server = await randomServer(random, () => turnOf(random));
    const client = clientOf(server.url);
    let last = 0;
    let over = false;
    const undo = client.watch({
      onEvent({ lease: seen }) {
        assert.equal(over, false, `server ${i}: an event after the end`);
        if (!seen) return;
        const version = Number(seen.metadata.resourceVersion);
        assert.ok(version > last && version <= server.version, `server ${i}: ${version} after ${last} of ${server.version}`);
        last = version;
        events++;
      },
      onTrouble: ({ retryInMs }) => assert.ok(retryInMs >= 0 && Number.isFinite(retryInMs)),
    });
    await sleep(WATCH_MS);
    undo();
    over = true;
    assert.ok(server.requests <= 2 + 2 * (WATCH_MS / 250), `server ${i}: ${server.requests} requests`);
    await sleep(100);
    client.close();
    server.close();
  });
  await Promise.all(watching);
  assert.ok(events > 20, `only ${events} events`);
});
