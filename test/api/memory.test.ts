/**
 * A hold lasts for weeks, and renews with signals that live as long: nothing of a request or of a pause may remain with them. (AbortSignal.any does on Node 22,
 * which is tried, too, where `npm run test:matrix` has brought it.)
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Prints how many bytes more there are after ten thousand than after a thousand. */
const GROWTH = `
  import { createServer } from 'node:http';
  import { clientOf, lease } from ${at('client.ts')};
  import { world } from ${at('../harness/contenders.ts')};
  const settled = async () => {
    for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate); }
    return process.memoryUsage().heapUsed;
  };
  const growth = async (act) => {
    for (let i = 0; i < 1000; i++) await act();
    const before = await settled();
    for (let i = 0; i < 9000; i++) await act();
    return await settled() - before;
  };
  const text = JSON.stringify(lease);
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const client = clientOf('http://127.0.0.1:' + server.address().port);
  const { signal } = new AbortController();
  const ofRequests = await growth(() => client.write(lease, { as: 'holder', timeoutMs: 5000, signal }));
  const { contender, clock, requests } = world();
  const alice = contender('alice', { durationMs: 4000, killGraceMs: 0 });
  await alice.take();
  const ofRenewals = await growth(async () => {
    await clock.advance(1000);
    requests.length = alice.events.length = 0;
  });
  console.log(JSON.stringify([ofRequests, ofRenewals]));
  process.exit(0);
`;

const matrix = fileURLToPath(new URL('../matrix/node_modules/node22/bin/node', import.meta.url));

for (const node of [process.execPath, matrix].filter(existsSync))
  test(`ten thousand requests and renewals leave nothing behind (${node === matrix ? 'Node 22' : process.version})`, () => {
    const said = execFileSync(node, ['--expose-gc', '--input-type=module', '-e', GROWTH], { encoding: 'utf8' });
    const growth = JSON.parse(said) as number[];
    // What leaks, leaks 200 bytes each time.
    assert.ok(
      growth.every((bytes) => bytes < 900_000),
      String(growth),
    );
  });
