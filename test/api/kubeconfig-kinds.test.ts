/**
 * Every kind of thing that a kubeconfig can say, in the hands of kubectl's own library and in ours: the same request, or none from either. Where ours
 * is stricter it says so here, with its reason.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertSame, incomparable, type TwoClients, twoClients } from '../harness/two-clients.ts';
import { contexts } from './kinds/contexts.ts';
import { config, context, V1 } from './kinds/kind.ts';
import { answersOfPlugins, plugins } from './kinds/plugins.ts';
import { proxies } from './kinds/proxies.ts';
import { authorities, servers, systemAuthorities } from './kinds/servers.ts';
import { shapes, texts, values } from './kinds/texts.ts';
import { identities, users } from './kinds/users.ts';

const GROUPS = {
  servers,
  authorities,
  systemAuthorities,
  users,
  identities,
  plugins,
  answersOfPlugins,
  proxies,
  texts,
  values,
  shapes,
  contexts,
};

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

test('a kubeconfig in base64, as it stands in a Secret, is told to be decoded', async (t) => {
  const { write, ours } = await twoClients(t);
  const kubeconfig = write('kubeconfig', Buffer.from('apiVersion: v1\nkind: Config\n').toString('base64'));
  const read = await ours({ kubeconfig });
  assert.match(read.kind === 'refused' ? read.message : '', /it must be a mapping, but is text: if it is base64, decode it/);
});

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
