/** The server of the page: to whom it answers, what it sends, and for whom it changes anything. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { after, test } from 'node:test';
import type { Lock, Locks } from '../../image/operate/locks.ts';
import { type Feed, feedOf, type Message } from '../../image/ui/feed.ts';
import { operatorsOn } from '../e2e/operate.ts';
import { guard } from '../harness/guards.ts';
import { manualClock } from '../harness/manual-clock.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { open } from './opened.ts';

const all = await targets();
const [target] = all;
assert.ok(target);
after(() => Promise.all(all.map((each) => each.close())));

interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

async function ask(url: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<IncomingMessage> {
  const sent = request(url, { method, headers, agent: false });
  sent.end(body);
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  return reply;
}

async function textOf(reply: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of reply.setEncoding('utf8')) text += chunk;
  return text;
}

const statusOf = async (url: string, asked?: Asked): Promise<number | undefined> => {
  const reply = await ask(url, asked);
  reply.destroy();
  return reply.statusCode;
};

test('it listens on 127.0.0.1, answers under its own names alone, and to no other web page', async (t) => {
  const { origin } = await open(t, target);
  const { port } = new URL(origin);
  assert.equal(new URL(origin).hostname, '127.0.0.1');
  for (const path of ['/', '/events', '/style.css', '/script.js']) {
    const url = `${origin}${path}`;
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`]) assert.equal(await statusOf(url, { headers: { host } }), 200);
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1:1', `127.0.0.1.evil.example:${port}`])
      assert.equal(await statusOf(url, { headers: { host } }), 421, host);
    for (const other of ['http://evil.example', 'null', 'http://127.0.0.1:1'])
      assert.equal(await statusOf(url, { headers: { origin: other } }), 403, other);
    assert.equal(await statusOf(url, { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' } }), 403);
  }
  const followed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  assert.equal(await statusOf(`${origin}/`, { headers: followed }), 200);
  assert.equal(await statusOf(`${origin}/nothing`), 404);
});

test('nothing but its own files can run on it, and nobody can show it in a frame', async (t) => {
  const { origin } = await open(t, target);
  const { headers } = await ask(`${origin}/`);
  const policy = String(headers['content-security-policy']);
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"])
    assert.ok(policy.includes(part), part);
  assert.ok(!policy.includes('unsafe'));
  assert.deepEqual(
    [headers['x-content-type-options'], headers['referrer-policy'], headers['cache-control']],
    ['nosniff', 'no-referrer', 'no-store'],
  );
});

test('without --write there is no token, and nothing can be changed', async (t) => {
  const { url, origin } = await open(t, target);
  assert.ok(!url.includes('token'));
  const headers = { origin, 'content-type': 'application/json', authorization: 'Bearer ' };
  const reply = await ask(`${origin}/act`, { method: 'POST', headers, body: '{}' });
  assert.deepEqual([reply.statusCode, await textOf(reply)], [405, 'this page is read-only: start it with --write\n']);
  assert.equal(await statusOf(`${origin}/`, { method: 'DELETE', headers: { origin } }), 405);
});

test('with --write only a request of the page itself, with the token, changes something', async (t) => {
  const { namespace, holding, holderOf } = operatorsOn(target);
  await holding(t, 'deploy');
  const holder = await holderOf('deploy');
  const { url, origin } = await open(t, target, '-n', await namespace, '--write');
  const token = new URLSearchParams(new URL(url).hash.slice(1)).get('token') ?? '';
  assert.ok(token.length >= 32);
  const right = { origin, 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const body = JSON.stringify({ kind: 'clear-live', namespace: await namespace, name: 'deploy', named: holder });
  const post = (headers: Record<string, string>, text = body) =>
    statusOf(`${origin}/act`, { method: 'POST', headers, body: text });
  const { origin: _, ...noOrigin } = right;
  assert.equal(await post(noOrigin), 403);
  assert.equal(await post({ ...right, origin: 'http://evil.example' }), 403);
  assert.equal(await post({ ...right, authorization: `Bearer ${token.slice(1)}` }), 401);
  assert.equal(await post({ ...right, authorization: '' }), 401);
  assert.equal(await post({ ...right, 'content-type': 'text/plain' }), 415);
  assert.equal(await post(right, JSON.stringify({ reason: 'x'.repeat(5000) })), 413);
  assert.equal(await holderOf('deploy'), holder);
  const answer = async (text: string) =>
    JSON.parse(await textOf(await ask(`${origin}/act`, { method: 'POST', headers: right, body: text })));
  for (const nothing of ['', '[]', '{}', '{"kind":"constructor"}', '{"kind":"ask","namespace":7,"name":"deploy"}'])
    assert.deepEqual(await answer(nothing), { done: false, message: 'the request is invalid' });
  const wrong = await answer(JSON.stringify({ kind: 'permits', namespace: 'ci', name: 'UPPER', number: 3 }));
  assert.match(wrong.message, /invalid name "UPPER"/);
  const permits = await answer(JSON.stringify({ kind: 'permits', namespace: 'ci', name: 'deploy', number: 1000 }));
  assert.match(permits.message, /use a number from 1 to 100/);
  const { done, message } = await answer(body);
  assert.deepEqual([done, /cleared /.test(message)], [true, true], message);
  assert.equal(await holderOf('deploy'), '');
});

for (const each of all)
  test(`${each.name}: a page is sent all locks, then only what has changed`, async (t) => {
    const { namespace, holding, command } = operatorsOn(each);
    const alice = await holding(t, 'deploy');
    // Free: of one that has just been taken the stamps, of whole seconds, still become more exact.
    await command(t, 'run', '--name', 'other', '--', 'true');
    const { origin } = await open(t, each, '-n', await namespace);
    const reply = await ask(`${origin}/events`);
    let text = '';
    reply.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const messages = (): Message[] =>
      text
        .split('\n\n')
        .slice(0, -1)
        .flatMap((event) => (event.startsWith('data: ') ? [JSON.parse(event.slice(6))] : []));
    await until(() => messages().length > 0, 'all of them');
    assert.deepEqual(
      messages()[0]
        ?.locks.map(({ name }) => name)
        .sort(),
      ['deploy', 'other'],
    );
    alice.input('\n');
    const freed = ({ locks }: Message) => locks.some(({ name, state }) => name === 'deploy' && state === 'Free');
    await until(() => messages().some(freed), 'it is free');
    const change = messages().find(freed);
    assert.deepEqual(
      [change?.kind, change?.locks.map(({ name }) => name), change?.holds.length, typeof change?.holds[0]?.to],
      ['some', ['deploy'], 1, 'number'],
    );
    reply.destroy();
  });

test('more than twenty pages are refused, and one that is closed makes room', async (t) => {
  const { origin } = await open(t, target);
  const pages = await Promise.all(Array.from({ length: 20 }, () => ask(`${origin}/events`)));
  assert.deepEqual(new Set(pages.map(({ statusCode }) => statusCode)), new Set([200]));
  const refused = await ask(`${origin}/events`);
  assert.deepEqual([refused.statusCode, await textOf(refused)], [503, '20 pages are open already: close one\n']);
  pages[0]?.destroy();
  await until(async () => (await statusOf(`${origin}/events`)) === 200, 'there is room');
  for (const page of pages) page.destroy();
});

test('a port that is taken, and what is no option, are refused', async (t) => {
  const { origin } = await open(t, target);
  const taken = await guard(t, ['ui', '--server', target.url, '--port', new URL(origin).port]).finished;
  assert.deepEqual([taken.code, /EADDRINUSE/.test(taken.stderr)], [78, true], taken.stderr);
  assert.equal((await guard(t, ['ui', 'operand']).finished).code, 64);
});

/** A feed of what a test says. */
function fed(): { feed: Feed; clock: ReturnType<typeof manualClock>; reads: () => number; set(found: Locks): void } {
  const clock = manualClock();
  let reads = 0;
  let found: Locks = { kind: 'locks', locks: [], clock: 'server', nowMs: 1 };
  const read = async () => {
    reads += 1;
    return found;
  };
  return {
    feed: feedOf(read, clock),
    clock,
    reads: () => reads,
    set: (next) => {
      found = next;
    },
  };
}

const absent = (name: string): Lock => ({ kind: 'absent', namespace: 'ci', name });

test('nothing is read while no page looks; one read a second serves all of them', async (t) => {
  t.plan(4);
  const { feed, clock, reads } = fed();
  await clock.advance(5000);
  t.assert.equal(reads(), 0);
  const leave = [feed.follow(() => {}), feed.follow(() => {})];
  await clock.advance(5000);
  t.assert.equal(reads(), 6);
  for (const end of leave) end();
  await clock.advance(1000);
  const before = reads();
  await clock.advance(10_000);
  t.assert.equal(reads(), before);
  feed.follow(() => {});
  await clock.advance(1000);
  t.assert.equal(reads(), before + 2);
});

test('what did not change is not sent, what is gone is, and trouble once, until it is over', async () => {
  const { feed, clock, set } = fed();
  const got: Message[] = [];
  feed.follow((message) => void got.push(message));
  set({ kind: 'locks', locks: [absent('a'), absent('b')], clock: 'server', nowMs: 2 });
  await clock.advance(3000);
  assert.deepEqual(
    got.map(({ locks }) => locks.map(({ name }) => name)),
    [[], ['a', 'b']],
  );
  set({ kind: 'locks', locks: [absent('a')], clock: 'server', nowMs: 3 });
  await clock.advance(1000);
  assert.deepEqual([got.at(-1)?.locks, got.at(-1)?.gone], [[], ['ci/b']]);
  set({ kind: 'failed', message: 'no answer', applied: 'no' });
  const count = got.length;
  await clock.advance(5000);
  assert.deepEqual([got.length, got.at(-1)?.trouble?.message], [count + 1, 'no answer']);
  set({ kind: 'locks', locks: [absent('a')], clock: 'server', nowMs: 4 });
  await clock.advance(1000);
  assert.deepEqual([got.length, got.at(-1)?.trouble], [count + 2, undefined]);
});

test('a page that is opened when none has looked for long is sent what is so now, not what was', async () => {
  const { feed, clock, set } = fed();
  set({ kind: 'locks', locks: [absent('a')], clock: 'server', nowMs: 1000 });
  const leave = feed.follow(() => {});
  await clock.advance(1000);
  leave();
  await clock.advance(3_600_000);
  set({ kind: 'locks', locks: [absent('a')], clock: 'server', nowMs: 3_602_000 });
  const got: Message[] = [];
  feed.follow((message) => void got.push(message));
  await clock.advance(3000);
  assert.deepEqual(
    got.map(({ kind, at, locks }) => [kind, at, locks.length]),
    [['all', 3_602_000, 1]],
  );
});
