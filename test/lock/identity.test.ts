/** The id that an API server knows somebody by, as the policy against theft wants it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escaped, idOf, newIdentity, podOf } from '../../src/lock/identity.ts';

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

test('a Pod is known by its own token, and by nothing less than all of it', () => {
  const tokenOf = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
  const kubernetes = (claims: unknown) => podOf(tokenOf({ 'kubernetes.io': claims }));
  assert.equal(kubernetes({ namespace: 'team', pod: { name: 'p-1', uid: 'u-1' } }), 'pod/team/p-1/u-1');
  const less = [
    { namespace: 'team' },
    { namespace: 'team', pod: { name: 'p-1' } },
    { namespace: 'team', pod: { uid: 'u-1' } },
    {},
  ];
  assert.deepEqual(less.map(kubernetes), [undefined, undefined, undefined, undefined]);
  assert.deepEqual([podOf(undefined), podOf('opaque'), podOf(tokenOf({}))], [undefined, undefined, undefined]);
});
