/** Which version and store are chosen: what cannot be chosen is refused, so that no run says it tried what it did not. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { read } from '../docs/documents.ts';
import { chosenKubernetes, chosenMinor, chosenStore, KUBERNETES, olderVersions, STORE, versionIn } from './chosen.ts';

function choose(t: TestContext, variable: string, value: string): void {
  const before = process.env[variable];
  t.after(() => {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  });
  process.env[variable] = value;
}

test('each older version is built from a go.mod of that version, and the documents name it', (t) => {
  assert.ok(olderVersions().length > 0);
  for (const version of olderVersions()) {
    const full = versionIn(fileURLToPath(new URL(version, import.meta.url)));
    assert.ok(full.startsWith(`v${version}.`), full);
    choose(t, KUBERNETES, version);
    assert.equal(`1.${chosenMinor()}`, version);
    assert.ok(read('docs/compatibility.md').includes(full.slice(1)), `docs/compatibility.md: ${full}`);
  }
});

test('without a choice it is the newest, on etcd', (t) => {
  choose(t, KUBERNETES, '');
  choose(t, STORE, '');
  assert.match(chosenKubernetes(), /\/test\/cluster$/);
  assert.equal(chosenStore(), 'etcd');
});

test('a version or a store that is not there is refused', (t) => {
  choose(t, KUBERNETES, '1.5');
  choose(t, STORE, 'mysql');
  assert.throws(chosenKubernetes, /TEST_KUBERNETES=1\.5: there are 1\.29/);
  assert.throws(chosenStore, /TEST_STORE=mysql: there are kine, kine-postgres/);
});
