/**
 * Every kind of thing that a kubeconfig can say, in the hands of kubectl's own library and in ours: the same request, or none from either. Where ours
 * is stricter it says so here, with its reason.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertSame, base64, type Given, incomparable, type TwoClients, twoClients } from '../harness/two-clients.ts';

interface Kind {
  content: string | object;
  given?: Given;
}

/** A kubeconfig with one cluster, one user and one context; `more` replaces whole fields of it. */
const config = (cluster: object, user: object = { token: 't' }, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'x',
  clusters: [{ name: 'c', cluster }],
  users: [{ name: 'u', user }],
  contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  ...more,
});

const context = (more: object) => ({ contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', ...more } }] });

const V1 = 'client.authentication.k8s.io/v1';
const V1BETA1 = 'client.authentication.k8s.io/v1beta1';
const exec = (more: object = {}) => ({ exec: { apiVersion: V1, command: './plug', interactiveMode: 'Never', ...more } });

type Kinds = Record<string, Kind>;
const kinds = (contents: Record<string, string | object>): Kinds =>
  Object.fromEntries(Object.entries(contents).map(([name, content]) => [name, { content }]));

function servers({ at, certificates: { authority } }: TwoClients): Kinds {
  const ca = { 'certificate-authority-data': base64(authority.certificate) };
  const { http, https, httpV6, httpsV6, expired, elsewhere, below } = at.urls;
  return kinds({
    'a server over TLS': config({ server: https, ...ca }),
    'a server over HTTP gets no token': config({ server: http }),
    'a server over HTTP gets no certificate, and no password': config({ server: http }, { username: 'a', password: 'b' }),
    'a server over HTTP is told for whom': config({ server: http }, { token: 't', as: 'alice' }),
    'a server without a scheme': config({ server: http.replace('http://', '') }),
    'a server without a scheme, with a path': config({ server: `${http.replace('http://', '')}/a` }),
    IPv6: config({ server: httpV6 }),
    'IPv6 over TLS': config({ server: httpsV6, ...ca }),
    'IPv6 without a scheme': config({ server: httpV6.replace('http://', '') }),
    'a slash at the end': config({ server: `${https}/`, ...ca }),
    'a path': config({ server: `${https}/k8s/clusters/c-1`, ...ca }),
    'a path with a slash, a query and a fragment': config({ server: `${https}/a/b/?x=1#y`, ...ca }),
    'a name and a password in the URL': config({ server: https.replace('//', '//me:p%40w@'), ...ca }),
    'a name in the URL': config({ server: https.replace('//', '//me@'), ...ca }, exec()),
    'an upper-case scheme': config({ server: https.replace('https', 'HTTPS'), ...ca }),
    'one slash after the scheme': config({ server: https.replace('//', '/'), ...ca }),
    'three slashes after the scheme': config({ server: https.replace('//', '///'), ...ca }),
    'another scheme': config({ server: https.replace('https', 'ftp') }),
    'a space before it': config({ server: ` ${https}`, ...ca }),
    'no server': config({ ...ca }),
    'an expired certificate': config({ server: expired, ...ca }),
    'a certificate for another name': config({ server: elsewhere, ...ca }),
    'that other name as tls-server-name': config({ server: elsewhere, 'tls-server-name': 'elsewhere.test', ...ca }),
    'HTTP to a TLS port': config({ server: https.replace('https', 'http') }),
    'TLS to an HTTP port': config({ server: http.replace('http', 'https') }),
    'an authority below another': config({ server: below, 'certificate-authority': 'intermediate.crt' }),
    'the certificate itself as authority': config({ server: https, 'certificate-authority': 'server.crt' }),
  });
}

function authorities({ at, certificates: { authority, stranger } }: TwoClients): Kinds {
  const { https: server, http } = at.urls;
  const data = (text: string) => ({ 'certificate-authority-data': text });
  return kinds({
    'an authority in a file': config({ server, 'certificate-authority': 'authority.crt' }),
    'an authority in lines of base64': config({ server, ...data(base64(authority.certificate).replace(/(.{76})/g, '$1\n')) }),
    'an authority among text and others': config({
      server,
      ...data(base64(`# both\n${stranger.certificate}\n${authority.certificate}`)),
    }),
    'an authority whose file is missing': config({ server, 'certificate-authority': 'missing.crt' }),
    'an authority that is a folder': config({ server, 'certificate-authority': '.' }),
    'an authority twice': config({ server, 'certificate-authority': 'authority.crt', ...data(base64(authority.certificate)) }),
    'an authority and no verification': config({
      server,
      'insecure-skip-tls-verify': true,
      ...data(base64(authority.certificate)),
    }),
    'the same for HTTP': config({ server: http, 'insecure-skip-tls-verify': true, ...data(base64(authority.certificate)) }),
    'another authority': config({ server, 'certificate-authority': 'stranger.crt' }),
    'an authority that is no certificate': config({ server, ...data(base64('hello')) }),
    'an authority in base64 of base64': config({ server, ...data(base64(base64(authority.certificate))) }),
    'an authority that is no base64': config({ server, ...data(authority.certificate) }),
    'an authority that is empty': config({ server, ...data('') }),
    'no verification': config({ server, 'insecure-skip-tls-verify': true }),
    'another name for TLS': config({ server, 'tls-server-name': 'api.lock.test', ...data(base64(authority.certificate)) }),
    'a wrong name for TLS': config({ server, 'tls-server-name': 'other', ...data(base64(authority.certificate)) }),
    'a wrong name, not verified': config({ server, 'tls-server-name': 'other', 'insecure-skip-tls-verify': true }),
  });
}

function users({ at, certificates: { authority, alice, bob } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const as = (user: object) => config(cluster, user);
  const files = { 'client-certificate': 'alice.crt', 'client-key': 'alice.key' };
  const data = { 'client-certificate-data': base64(bob.certificate), 'client-key-data': base64(bob.key) };
  const extra = { 'A b%': ['1', '2'], 'example.com/x': ['ü'], empty: [] };
  return kinds({
    'a token': as({ token: 'secret' }),
    'a token that is not ASCII': as({ token: 'sécret' }),
    'a token with a line break': as({ token: 'secret\n' }),
    'a token that is a number': as({ token: 123 }),
    'a token file': as({ tokenFile: 'token' }),
    'a token file before a token': as({ tokenFile: 'token', token: 'other' }),
    'a token file that is missing': as({ tokenFile: 'missing' }),
    'a token file that is missing, and a token': as({ tokenFile: 'missing', token: 'other' }),
    'a token file that is empty': as({ tokenFile: 'empty' }),
    'a token file that is empty, and a token': as({ tokenFile: 'empty', token: 'other' }),
    'a name and a password': as({ username: 'alice', password: 'pä:ss' }),
    'a name alone': as({ username: 'alice' }),
    'a password alone': as({ password: 'secret' }),
    'a password and a token': as({ username: 'alice', password: 'secret', token: 't' }),
    'a client certificate in files': as(files),
    'a client certificate as data': as(data),
    'a client certificate in a file, its key as data': as({
      'client-certificate': 'alice.crt',
      'client-key-data': base64(alice.key),
    }),
    'a client certificate with its key in one text': as({
      'client-certificate-data': base64(bob.key + bob.certificate),
      'client-key-data': base64(bob.certificate + bob.key),
    }),
    'a client certificate twice': as({ ...files, ...data }),
    'a client certificate without its key': as({ 'client-certificate': 'alice.crt' }),
    'a key without its certificate': as({ 'client-key': 'alice.key' }),
    'the key of another': as({ 'client-certificate': 'alice.crt', 'client-key': 'bob.key' }),
    'a client certificate whose file is missing': as({ ...files, 'client-certificate': 'missing' }),
    'a client certificate and a token': as({ ...files, token: 't' }),
    'a client certificate and a plugin': as({ ...files, ...exec() }),
    'for somebody else': as({ token: 't', as: 'alice', 'as-uid': '7', 'as-groups': ['g1', 'g2'], 'as-user-extra': extra }),
    'for somebody whose name is not ASCII': as({ token: 't', as: 'Zoë' }),
    'for somebody else, without credentials': as({ as: 'alice' }),
    'for a group of nobody': as({ token: 't', 'as-groups': ['g1'] }),
    'a user without anything': as({}),
    'a user that is null': config(cluster, {}, { users: [{ name: 'u', user: null }] }),
    'auth-provider gcp': as({ 'auth-provider': { name: 'gcp' } }),
    'auth-provider azure, and a token': as({ token: 't', 'auth-provider': { name: 'azure', config: {} } }),
    'an auth-provider of nobody': as({ 'auth-provider': { name: 'other', config: {} } }),
    'oidc without an issuer': as({ 'auth-provider': { name: 'oidc', config: { 'client-id': 'a' } } }),
    'oidc without tokens': as({
      'auth-provider': { name: 'oidc', config: { 'client-id': 'a', 'idp-issuer-url': 'https://127.0.0.1:1' } },
    }),
    'oidc with a token that is good for long': as(oidc({ exp: 4_000_000_000 })),
    'oidc with a token without an end': as(oidc({})),
  });
}

const oidc = (claims: object) => ({
  'auth-provider': {
    name: 'oidc',
    config: {
      'client-id': 'a',
      'idp-issuer-url': 'https://127.0.0.1:1',
      'id-token': `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`,
    },
  },
});

function plugins({ at, certificates: { authority } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const by = (more: object) => config(cluster, exec(more));
  const env = [
    { name: 'ONE', value: 'one "quoted"' },
    { name: 'TWO', value: '' },
  ];
  const told = {
    ...cluster,
    'tls-server-name': 'localhost',
    'proxy-url': at.proxies.http,
    'disable-compression': true,
    extensions: [
      { name: 'other', extension: 1 },
      { name: 'client.authentication.k8s.io/exec', extension: { audience: ['a', null] } },
    ],
  };
  return kinds({
    'a plugin beside the file': by({}),
    'a plugin in PATH': by({ command: 'plug-in-path' }),
    'a plugin with arguments and variables': by({ args: ['eks', 'get token'], env }),
    'a plugin that is told of the cluster': config(told, exec({ provideClusterInfo: true })),
    'the same, not verified': config(
      { server: `${at.urls.https}/a/`, 'insecure-skip-tls-verify': true },
      exec({ provideClusterInfo: true }),
    ),
    'the same, with the authority in a file': config(
      { server: at.urls.https, 'certificate-authority': 'authority.crt' },
      exec({ provideClusterInfo: true }),
    ),
    'a plugin of v1beta1': by({ apiVersion: V1BETA1, env: [{ name: 'VERSION', value: V1BETA1 }], interactiveMode: null }),
    'a plugin of v1alpha1': by({ apiVersion: 'client.authentication.k8s.io/v1alpha1' }),
    'a plugin of another version than it says': by({ env: [{ name: 'VERSION', value: V1BETA1 }] }),
    'a plugin without a version': by({ apiVersion: '' }),
    'a plugin without a command': by({ command: '' }),
    'a plugin without a mode': by({ interactiveMode: '' }),
    'a plugin with another mode': by({ interactiveMode: 'Sometimes' }),
    'a plugin that may use a terminal': by({ interactiveMode: 'IfAvailable' }),
    'a plugin that must have a terminal': by({ interactiveMode: 'Always' }),
    'a plugin with a variable without a name': by({ env: [{ value: '1' }] }),
    'a plugin that is missing': by({ command: 'missing', installHint: 'install it' }),
    'a plugin that is no program': by({ command: './token' }),
    'a plugin that fails': by({ command: 'false' }),
    'a plugin that prints nothing': by({ command: 'true' }),
    'a plugin that prints {}': by({ command: 'echo', args: ['{}'] }),
    'a plugin and a token': config(cluster, { ...exec(), token: 't' }),
    'a plugin and a token file': config(cluster, { ...exec(), tokenFile: 'token' }),
    'a plugin and a password': config(cluster, { ...exec(), username: 'alice', password: 'p' }),
    'a plugin and an auth-provider': config(cluster, { ...exec(), 'auth-provider': { name: 'oidc', config: {} } }),
    'a plugin over HTTP is not started': config({ server: at.urls.http }, exec({ command: 'missing' })),
    'a plugin of a wrong mode over HTTP': config({ server: at.urls.http }, exec({ interactiveMode: 'Sometimes' })),
    'a plugin that prints YAML': by({
      command: 'printf',
      args: [`apiVersion: ${V1}\nkind: ExecCredential\nstatus: {token: abc}\n`],
    }),
    'a plugin that prints a token that is a number': by({
      command: 'echo',
      args: [`{"apiVersion": "${V1}", "kind": "ExecCredential", "status": {"token": 1}}`],
    }),
    'a plugin that prints a certificate without a key': by({
      command: 'echo',
      args: [`{"apiVersion": "${V1}", "kind": "ExecCredential", "status": {"token": "a", "clientCertificateData": "x"}}`],
    }),
    'a plugin that prints a certificate': by({ command: 'cat', args: ['certified'] }),
    'a plugin whose credentials have ended': by({
      command: 'echo',
      args: [
        `{"apiVersion": "${V1}", "kind": "ExecCredential", "status": {"token": "a", "expirationTimestamp": "2020-01-01T00:00:00Z"}}`,
      ],
    }),
    'a plugin whose credentials end at no time': by({
      command: 'echo',
      args: [`{"apiVersion": "${V1}", "kind": "ExecCredential", "status": {"token": "a", "expirationTimestamp": "tomorrow"}}`],
    }),
  });
}

function proxies({ at, certificates: { authority } }: TwoClients): Kinds {
  const { http, https, httpsV6 } = at.urls;
  const named = https.replace('127.0.0.1', 'api.lock.test');
  const cluster = { server: https, 'certificate-authority-data': base64(authority.certificate) };
  const through = (proxy: string, server = https) => config({ ...cluster, server, 'proxy-url': proxy });
  const login = (proxy: string) => proxy.replace('//', '//us%20er:p%3Aw@');
  const byEnv = (env: Record<string, string>, server = named): Kind => ({
    content: config({ ...cluster, server }),
    given: { env },
  });
  const { http: web, https: secure, socks } = at.proxies;
  return {
    ...kinds({
      'an HTTP proxy': through(web),
      'an HTTP proxy with a login': through(login(web)),
      'an HTTP proxy for HTTP': through(web, http),
      'an HTTP proxy with a login for HTTP': through(login(web), http),
      'an HTTP proxy for a path': through(web, `${https}/a`),
      'an HTTP proxy for HTTP and a path': through(web, `${http}/a`),
      'an HTTP proxy for IPv6': through(web, httpsV6),
      'an HTTP proxy for a name that it alone knows': through(web, named),
      'an HTTPS proxy': through(secure),
      'an HTTPS proxy for HTTP': through(secure, http),
      'a SOCKS proxy': through(socks),
      'a SOCKS proxy with a login': through(login(socks)),
      'a SOCKS proxy for a name that it alone knows': through(socks, named),
      'a SOCKS proxy for IPv6': through(socks, httpsV6),
      'a SOCKS proxy for HTTP': through(socks, http),
      'socks5h, which proxy-url does not know': through(socks.replace('socks5', 'socks5h')),
      'a proxy without a scheme': through(web.replace('http://', '')),
      'a proxy where nothing listens': through('http://127.0.0.1:1'),
    }),
    HTTPS_PROXY: byEnv({ HTTPS_PROXY: web }),
    https_proxy: byEnv({ https_proxy: login(web) }),
    'HTTPS_PROXY with socks5h': byEnv({ HTTPS_PROXY: socks.replace('socks5', 'socks5h') }),
    'HTTPS_PROXY for loopback': byEnv({ HTTPS_PROXY: web }, https),
    NO_PROXY: byEnv({ HTTPS_PROXY: web, NO_PROXY: '.lock.test' }),
    ALL_PROXY: byEnv({ ALL_PROXY: web }, https),
    'proxy-url before HTTPS_PROXY and NO_PROXY': {
      content: through(web, named),
      given: { env: { HTTPS_PROXY: socks, NO_PROXY: '*' } },
    },
  };
}

function texts({ at, certificates: { authority } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const good = JSON.stringify(config(cluster));
  const yaml = (user: string) => `current-context: x
clusters: [{name: c, cluster: ${JSON.stringify(cluster)}}]
contexts:
- name: x
  context: {cluster: c, user: u}
users:
- name: u
  user: ${user}
`;
  return kinds({
    'an empty file': '',
    'a comment': '# nothing yet\n',
    null: '~\n',
    'an empty mapping': '{}',
    'a list': '[]',
    text: 'hello',
    base64: base64(good),
    'JSON with a byte order mark and CRLF': `\ufeff${JSON.stringify(config(cluster), null, 2).replaceAll('\n', '\r\n')}`,
    'YAML with a byte order mark and CRLF': `\ufeff${yaml('{token: t}').replaceAll('\n', '\r\n')}`,
    'a tab as indentation': yaml('\n\ttoken: t'),
    'a tab behind a value': yaml('{token: t}\t# comment'),
    'a key twice': yaml('{token: a, token: b}'),
    'an anchor and an alias': `a: &a {token: t}\n${yaml('*a')}`,
    'an alias without an anchor': yaml('*a'),
    'a merge': `a: &a {token: a, as: alice}\n${yaml('{<<: *a, token: b}')}`,
    'a merge behind its key': `a: &a {token: a, as: alice}\n${yaml('{token: b, <<: *a}')}`,
    'a merge of several': `a: &a {token: a}\nb: &b {token: b, as: bob}\n${yaml('{<<: [*a, *b]}')}`,
    'yes as a token': yaml('{token: yes}'),
    'y as a token': yaml('{token: y}'),
    'null as a token': yaml('{token: null}'),
    '~ as a token': yaml('{token: ~}'),
    'a number as a token': yaml('{token: 0123}'),
    'a number as a token, tagged': yaml('{token: !!str 0123}'),
    'a date as a token': yaml('{token: 2024-01-31}'),
    'a time of day as a token': yaml('{token: 12:30}'),
    'hexadecimal as a token': yaml('{token: 0xabc}'),
    'a version as a token': yaml('{token: 1.2.3}'),
    'a float as a token': yaml('{token: 1e3}'),
    'on for verification': yaml('{token: t}').replace('"server"', 'insecure-skip-tls-verify: off, "server"'),
    'text for verification': yaml('{token: t}').replace('"server"', 'insecure-skip-tls-verify: "false", "server"'),
    'a folded token': yaml('\n    token: >-\n      abc\n'),
    'a literal token': yaml('\n    token: |\n      abc\n'),
    'a literal token without its line break': yaml('\n    token: |-\n      abc\n'),
    'a token over two lines': yaml('\n    token: abc\n      def\n'),
    escapes: yaml('{token: "\\x61\\u0062\\tc"}'),
    'a second document': `${good}\n---\n{"current-context": "other"}`,
    'a second document that is broken': `${good}\n---\n{[}`,
    'an empty first document': `---\n---\n${good}`,
    'a directive': `%YAML 1.1\n---\n${good}`,
    'broken YAML': '{ not yaml: [',
    'control characters': yaml('{token: "a\u0001"}'),
    'UTF-16': Buffer.from(`\ufeff${good}`, 'utf16le').toString('latin1'),
    'another kind': JSON.stringify(config(cluster, {}, { kind: 'Other' })),
    'another version': JSON.stringify(config(cluster, {}, { apiVersion: 'v2' })),
    'no kind and no version': JSON.stringify(config(cluster, { token: 't' }, { kind: undefined, apiVersion: undefined })),
    'fields of nobody': JSON.stringify(config(cluster, { token: 't', Token: 'T', other: [1] }, { other: { a: 1 } })),
    'a list in place of a mapping': JSON.stringify(config(cluster, {}, { users: [{ name: 'u', user: [] }] })),
    'a mapping in place of a list': JSON.stringify(config(cluster, {}, { users: { u: { token: 't' } } })),
    'a wrong type in what is not used': JSON.stringify(
      config(
        cluster,
        {},
        {
          clusters: [
            { name: 'c', cluster },
            { name: 'd', cluster: { server: 1 } },
          ],
        },
      ),
    ),
    'null in place of lists': JSON.stringify({
      ...config(cluster),
      users: null,
      preferences: null,
      extensions: null,
      ...context({ user: '' }),
    }),
    'the same name twice': JSON.stringify(config(cluster, {}, { users: [{ name: 'u' }, { name: 'u' }] })),
    'the same extension twice': JSON.stringify(
      config(
        cluster,
        {},
        {
          extensions: [
            { name: 'e', extension: 1 },
            { name: 'e', extension: 2 },
          ],
        },
      ),
    ),
  });
}

function contexts({ at, certificates: { authority } }: TwoClients): Kinds {
  const cluster = { server: at.urls.https, 'certificate-authority-data': base64(authority.certificate) };
  const by = (more: object, given?: Given): Kind => ({ content: config(cluster, { token: 't' }, more), ...(given && { given }) });
  const two = {
    contexts: [
      { name: 'x', context: { cluster: 'c', user: 'u' } },
      { name: 'y', context: { cluster: 'c', user: 'v', namespace: 'team' } },
    ],
    users: [
      { name: 'u', user: { token: 't' } },
      { name: 'v', user: { token: 'of v' } },
    ],
  };
  return {
    'a namespace': by(context({ namespace: 'team' })),
    'a context by name': by(two, { context: 'y' }),
    'a context that is missing': by(two, { context: 'z' }),
    'a context without a name, as an option': by(two, { context: '' }),
    'a current context that is missing': by({ 'current-context': 'z' }),
    'no current context': by({ 'current-context': '' }),
    'a current context by name, though none is set': by({ ...two, 'current-context': null }, { context: 'y' }),
    'a context without a name': by({
      'current-context': '',
      contexts: [{ context: { cluster: 'c', user: 'u', namespace: 'team' } }],
    }),
    'a user without a name': by({ ...context({ user: '' }), users: [{ user: { token: 'nameless' } }] }),
    'a context without a user': by(context({ user: undefined })),
    'a context without a cluster': by(context({ cluster: undefined })),
    'a context with a cluster that is missing': by(context({ cluster: 'other' })),
  };
}

const GROUPS = { servers, authorities, users, plugins, proxies, texts, contexts };

for (const [name, kindsOf] of Object.entries(GROUPS)) {
  test(`${name}: the same request as kubectl's, or none`, { skip: incomparable }, async (t) => {
    const clients = await twoClients(t);
    const { write, both, certificates, folder } = clients;
    write('token', 'from-file\n');
    write('empty', '\n');
    write('certified', {
      apiVersion: V1,
      kind: 'ExecCredential',
      status: { clientCertificateData: certificates.alice.certificate, clientKeyData: certificates.alice.key },
    });
    await inPath(clients);
    let reached = 0;
    for (const [what, { content, given = {} }] of Object.entries(kindsOf(clients))) {
      const kubeconfig = write('kubeconfig', content);
      const path = `${folder}/bin:${process.env.PATH}`;
      const outcomes = await both({ kubeconfig, ...given, env: { PATH: path, ...given.env } });
      assertSame(outcomes, what);
      if (outcomes.ours.kind === 'reached') reached += 1;
      else assert.match(outcomes.ours.message, /\S \S/, what);
    }
    assert.ok(reached > 0);
  });
}

async function inPath({ write, folder }: TwoClients): Promise<void> {
  const { chmodSync, copyFileSync } = await import('node:fs');
  write('bin/plug-in-path', '');
  copyFileSync(`${folder}/plug`, `${folder}/bin/plug-in-path`);
  chmodSync(`${folder}/bin/plug-in-path`, 0o755);
}

test('a user that the context names and the file lacks is refused, where kubectl asks for a password or goes on as nobody', {
  skip: incomparable,
}, async (t) => {
  const { write, both, at } = await twoClients(t);
  const kubeconfig = write(
    'kubeconfig',
    config({ server: at.urls.https, 'insecure-skip-tls-verify': true }, {}, context({ user: 'v' })),
  );
  const { kubectl, ours } = await both({ kubeconfig });
  assert.equal(kubectl.kind === 'reached' && kubectl.received.authorization, '');
  assert.match(
    ours.kind === 'refused' ? ours.message : '',
    /the context "x" names the user "v", which it does not have: add it under users/,
  );
});
