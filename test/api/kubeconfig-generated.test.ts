/**
 * Kubeconfigs as they come by chance, several of them, in several folders and ways of writing, in the hands of kubectl's own library and in ours: the
 * same request, or none. K8S_LEASE_LOCK_TEST_RUNS=50 tries fifty times as many.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { runsOf } from '../harness/runs.ts';
import { assertSame, base64, type Given, incomparable, type TwoClients, twoClients } from '../harness/two-clients.ts';

test('several files, merged, from any folder, written in any way: the same request as kubectl’s, or none', {
  skip: incomparable,
}, async (t) => {
  const clients = await twoClients(t);
  for (const folder of ['one', 'two/deep']) clients.write(`${folder}/token`, `from-${folder}\n`);
  const tally = { reached: 0, all: 0 };
  await fc.assert(
    fc.asyncProperty(anyCase(clients), async (made) => {
      const given = put(clients, made);
      const outcomes = await clients.both(given);
      for (const { path } of made.files) rmSync(join(clients.folder, path), { force: true });
      tally.all += 1;
      if (outcomes.kubectl.kind === 'reached') tally.reached += 1;
      assertSame(stricter(outcomes, made), JSON.stringify(made));
    }),
    { numRuns: runsOf(250) },
  );
  assert.ok(tally.reached > tally.all / 5, `of ${tally.all} only ${tally.reached} reached a server`);
});

interface Made {
  files: { path: string; text: string }[];
  /** How they are named: all of them in KUBECONFIG, the first as an option, or the first as ~/.kube/config. */
  by: 'KUBECONFIG' | 'option' | 'home';
  more: string[];
  absolute: boolean;
  cwd: string;
  context: string | undefined;
}

function put({ write, folder }: TwoClients, { files, by, more, absolute, cwd, context }: Made): Given {
  for (const { path, text } of files) write(path, text);
  const [first] = files;
  if (by === 'home') {
    write('home/.kube/config', first?.text ?? '');
    return { env: { HOME: join(folder, 'home') }, cwd, context };
  }
  const up = cwd === '.' ? '.' : cwd.replace(/[^/]+/g, '..');
  const named = (path: string) => join(absolute ? folder : up, path);
  if (by === 'option') return { kubeconfig: named(first?.path ?? 'missing'), cwd, context };
  return { env: { KUBECONFIG: [...files.map(({ path }) => named(path)), ...more].join(':') }, cwd, context };
}

/** A user that is named and missing is refused by us alone (kubeconfig-kinds.test.ts). */
function stricter(outcomes: Awaited<ReturnType<TwoClients['both']>>, _: Made): typeof outcomes {
  const { ours } = outcomes;
  const isThat = ours.kind === 'refused' && /names the user "[^"]*", which it does not have/.test(ours.message);
  return isThat ? { ours, kubectl: ours } : outcomes;
}

const oneOf = <T>(...values: T[]) => fc.constantFrom<T>(...values);
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
/** What is good nearly always: with many fields hardly anything would be left otherwise. */
const mostly = (good: fc.Arbitrary<unknown>, ...bad: unknown[]) =>
  fc.oneof({ arbitrary: good, weight: 30 }, fc.constantFrom(...bad));
const name = fc.oneof({ arbitrary: oneOf('a', 'b'), weight: 30 }, oneOf('', 'c'));

function anyCase(clients: TwoClients): fc.Arbitrary<Made> {
  const file = fc.record({
    path: oneOf('k1', 'one/k', 'two/deep/k', 'two/deep/.kube/config'),
    text: fc.oneof(
      { arbitrary: fc.tuple(anyConfig(clients), style).map(([value, write]) => write(value)), weight: 30 },
      oneOf('', '# nothing', '~', '[', 'text'),
    ),
  });
  return fc.record({
    files: fc.uniqueArray(file, { minLength: 1, maxLength: 3, selector: ({ path }) => path }),
    by: oneOf('KUBECONFIG', 'KUBECONFIG', 'KUBECONFIG', 'option', 'home'),
    more: fc.array(oneOf('', 'missing', 'k1'), { maxLength: 2 }),
    absolute: fc.boolean(),
    cwd: oneOf('.', 'one', 'two/deep'),
    context: some(name),
  });
}

function anyConfig(clients: TwoClients): fc.Arbitrary<object> {
  const entries = (key: string, value: fc.Arbitrary<unknown>) => {
    const pair = fc.tuple(name, value);
    const unique = fc.uniqueArray(pair, { minLength: 1, maxLength: 3, selector: ([name]) => name });
    return fc
      .oneof({ arbitrary: unique, weight: 30 }, fc.array(pair, { maxLength: 3 }))
      .map((items) => items.map(([name, value]) => ({ name, [key]: value })));
  };
  const context = fc.record({ cluster: name, user: name, namespace: oneOf('team', '', undefined) });
  return fc.record(
    {
      apiVersion: mostly(fc.constant('v1'), 'v2', null),
      kind: mostly(fc.constant('Config'), 'Other', null),
      'current-context': name,
      clusters: entries('cluster', anyCluster(clients)),
      users: entries('user', anyUser(clients)),
      contexts: entries('context', context),
    },
    { requiredKeys: ['clusters', 'users', 'contexts', 'current-context'] },
  );
}

function anyCluster({ at, certificates: { authority } }: TwoClients): fc.Arbitrary<object> {
  const { http, https, httpsV6 } = at.urls;
  const inData = { 'certificate-authority-data': base64(authority.certificate) };
  const trust = mostly(
    oneOf<object>(inData, inData, { 'insecure-skip-tls-verify': true }),
    { 'certificate-authority-data': 'x' },
    { 'certificate-authority-data': '', 'insecure-skip-tls-verify': 'true' },
    { ...inData, 'insecure-skip-tls-verify': true },
    { 'certificate-authority': '../authority.crt' },
    { 'certificate-authority': 'authority.crt' },
    { ...inData, 'certificate-authority': '../../authority.crt' },
  );
  return fc
    .record({
      server: mostly(oneOf(https, `${https}/path/`, httpsV6, http), '', 'not a url', http.slice(7), null, 7),
      trust,
      more: fc.record({
        'tls-server-name': mostly(oneOf(undefined, 'localhost', 'a.lock.test', ''), 'wrong', 1),
        'proxy-url': mostly(oneOf(undefined, undefined, at.proxies.http, at.proxies.socks, ''), 'nowhere'),
        unknown: some(fc.constant([1])),
      }),
    })
    .map(({ server, trust, more }) => ({ server, ...Object(trust), ...more }));
}

function anyUser({ certificates: { alice, bob } }: TwoClients): fc.Arbitrary<object> {
  const proof = mostly(
    oneOf<object>(
      { token: 't' },
      { token: 'with space ' },
      { token: 'Zoë' },
      { tokenFile: 'token' },
      { tokenFile: '../two/deep/token', token: 'other' },
      { username: 'alice', password: 'secret' },
      { 'client-certificate-data': base64(alice.certificate), 'client-key-data': base64(alice.key) },
      {},
    ),
    { token: 7 },
    { token: true },
    { tokenFile: 'missing' },
    { token: 't', username: 'alice' },
    { 'client-certificate-data': base64(alice.certificate) },
    { 'client-certificate-data': base64(alice.certificate), 'client-key-data': base64(bob.key) },
    { 'client-certificate-data': base64(alice.certificate), 'client-key': 'missing' },
    { 'client-key': 'missing' },
    { 'auth-provider': { name: 'gcp' } },
  );
  const exec = fc.record({
    apiVersion: mostly(fc.constant('client.authentication.k8s.io/v1'), 'v1', ''),
    command: mostly(oneOf('./plug', '../plug', '../../plug'), 'missing', 'false', ''),
    args: some(fc.array(oneOf('a', 'b c'), { maxLength: 2 })),
    env: some(oneOf([{ name: 'ONE', value: '1' }], [], null)),
    interactiveMode: mostly(oneOf('Never', 'IfAvailable'), 'Always', ''),
    provideClusterInfo: some(fc.boolean()),
  });
  const impersonated = fc.record({
    as: mostly(oneOf('alice', 'Zoë'), '', null),
    'as-uid': some(oneOf('7', '')),
    'as-groups': some(fc.array(oneOf('g', 'h', 'i j'), { maxLength: 3 })),
    'as-user-extra': some(fc.dictionary(oneOf('a', 'B', 'c/d', 'e f'), fc.array(oneOf('1', 'ü'), { maxLength: 2 }))),
  });
  return fc
    .tuple(proof, some(exec), fc.option(impersonated, { nil: {} }))
    .map(([proof, exec, impersonated]) => ({ ...Object(proof), ...(exec && { exec }), ...impersonated }));
}

type Write = (value: object) => string;

/** Block and flow, quotes or none, comments, line ends, anchors: the same content in every one of them. */
const style: fc.Arbitrary<Write> = fc
  .record({
    json: fc.boolean(),
    version: oneOf('1.1' as const, '1.2' as const),
    quotes: oneOf(
      'PLAIN' as const,
      'QUOTE_SINGLE' as const,
      'QUOTE_DOUBLE' as const,
      'BLOCK_FOLDED' as const,
      'BLOCK_LITERAL' as const,
    ),
    flow: fc.boolean(),
    end: oneOf('\n', '\r\n'),
    before: oneOf('', '# a comment\n', '---\n', '\ufeff', '%YAML 1.1\n---\n'),
    after: oneOf('', '\n# the end', '\n...\n', '\n---\nanother: document\n', '\n---\n[broken'),
  })
  .map(({ json, version, quotes, flow, end, before, after }) => (value: object) => {
    const options = {
      version,
      defaultStringType: quotes,
      defaultKeyType: 'PLAIN',
      collectionStyle: flow ? 'flow' : 'block',
    } as const;
    const text = json ? JSON.stringify(value, null, 1) : stringify(value, options);
    return (before + text + after).replaceAll('\n', end);
  });
