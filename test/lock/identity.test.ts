/** The id that an API server knows somebody by, as the policy against theft wants it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escaped, idOf, newIdentity } from '../../src/lock/identity.ts';

test('an id is derived unless somebody has given it', () => {
  const given = { token: undefined, host: 'h' };
  assert.equal(newIdentity({ prefix: undefined, ...given }).derived, true);
  assert.equal(newIdentity({ prefix: 'me', ...given }).derived, false);
});

test('as the API server knows him, a user keeps what the id said of him, and a Pod is the Pod', () => {
  const identity = { id: 'user/runner%207/abc', nonce: 'abc' };
  assert.equal(idOf({ username: 'gha:acme/api' }, identity), 'user/gha:acme%2Fapi/runner%207/abc');
  assert.equal(idOf({ username: 'x' }, { id: 'pod/ns/p/u/abc', nonce: 'abc' }), 'user/x/pod/ns/p/u/abc');
  const extra = { 'authentication.kubernetes.io/pod-name': ['p-1'], 'authentication.kubernetes.io/pod-uid': ['u-1'] };
  assert.equal(idOf({ username: 'system:serviceaccount:team:worker', extra }, identity), 'pod/team/p-1/u-1/abc');
});

test('an escaped name is the same in JSON as it is, has no slash and no blank, and is no other name’s', () => {
  const names = ['a/b', 'a%2Fb', 'a%252Fb', 'a b', 'a"b', 'a\\b', 'a\tb', 'a\nb', 'a\rb', 'Zoë 東京', '<b>'];
  const ids = names.map(escaped);
  for (const id of ids) {
    assert.equal(JSON.stringify(id), `"${id}"`);
    assert.doesNotMatch(id, /[/ \t\r\n]/);
  }
  assert.deepEqual(ids.map(decodeURIComponent), names);
  assert.equal(new Set(ids).size, names.length);
});
