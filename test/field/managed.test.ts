/**
 * Stand-ins for the clusters that people rent, on loopback and before the real API server: what is particular about the way to each. On each a lock is
 * held, waited for and handed over, beside somebody who goes straight to the API server.
 */
import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { type Certificates, certificatesIn } from '../harness/certificates.ts';
import { guard, intervals, overlap, recorded, tempFolder } from '../harness/guards.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { grant, SUFFICIENT } from '../harness/rbac.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { type Caller, type StandIn, type StandInOptions, standIn } from './stand-in.ts';

const apiVersion = 'client.authentication.k8s.io/v1';
/** What the plugin says, and what the endpoint takes: credentials are renewed before they end, and after a refusal, but not within ten seconds. */
const SAID_SECONDS = 3;
const LIFE_MS = 12_000;

interface Place {
  folder: string;
  certificates: Certificates;
  front: StandIn;
}

async function placed(t: TestContext, options: (folder: string) => StandInOptions): Promise<Place> {
  const folder = tempFolder(t);
  const certificates = certificatesIn(folder);
  return { folder, certificates, front: await standIn(t, await realCluster(), certificates, options(folder)) };
}

interface Way {
  cluster: object;
  user: object;
  env?: Record<string, string>;
  /** Until when alice holds it. */
  holds: () => boolean;
}

/** Alice holds it through the stand-in and bob waits there, carol behind them both goes straight. */
async function assertShared(t: TestContext, { folder }: Place, { cluster: by, user, env = {}, holds }: Way): Promise<void> {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('managed');
  await grant(cluster, {
    namespace,
    name: 'deployer',
    verbs: SUFFICIENT,
    lock: 'deploy',
    to: [{ kind: 'User', name: 'deployer' }],
  });
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigText({ cluster: by, user }));
  const file = join(folder, 'ran');
  const run = (who: string, config: string, work: string) => {
    const lock = ['-n', namespace, '--name', 'deploy', '--holder', who, '--lease-duration', '10s', '--kill-grace', '500ms'];
    return guard(t, ['run', '--kubeconfig', config, ...lock, '-v', '--', ...recorded(file, who, work)], { env });
  };
  const alice = run('alice', kubeconfig, 'echo holds; read _');
  await alice.prints(/holds/);
  const bob = run('bob', kubeconfig, 'true');
  await bob.says(/next in queue/);
  const carol = run('carol', cluster.kubeconfig, 'true');
  await carol.says(/waiting for Lease/);
  const renewals = () => alice.stderr.match(/renewed Lease/g)?.length ?? 0;
  await until(
    () => holds() && renewals() >= 1,
    () => `it is held, by ${renewals()} renewals: ${alice.stderr}`,
  );
  alice.input('\n');
  for (const { finished } of [alice, bob, carol]) {
    const { code, stderr } = await finished;
    assert.equal(code, 0, stderr);
  }
  const all = intervals(file);
  assert.equal(overlap(all), undefined);
  assert.deepEqual(
    all.map(({ who }) => who),
    ['alice', 'bob', 'carol'],
  );
}

const issued = (folder: string, name: string): string => join(folder, `issued-${name}`);

/** Whether a plugin has handed it out, and not too long ago. */
function isFresh(folder: string, name: string): boolean {
  const stat = statSync(issued(folder, name), { throwIfNoEntry: false });
  return name !== '' && stat !== undefined && Date.now() - stat.mtimeMs < LIFE_MS;
}

const plugin = (script: string): object => ({
  exec: { apiVersion, command: 'sh', args: ['-c', script], interactiveMode: 'Never' },
});
const ends = `$(date -u -d '+${SAID_SECONDS} seconds' +%FT%TZ)`;

/** Each token is another one. */
function tokenPlugin(folder: string, saysEnd: boolean): object {
  const status = `"token":"'"$name"'"${saysEnd ? `,"expirationTimestamp":"'"${ends}"'"` : ''}`;
  const credential = `'{"apiVersion":"${apiVersion}","kind":"ExecCredential","status":{${status}}}'`;
  return plugin(`name=k8s-aws-v1.$$.$(date +%N); : >${issued(folder, '$name')}; echo ${credential}`);
}

const tokens = ({ callers }: StandIn): number => new Set(callers.map(({ token }) => token)).size;

const PREFIXED: [what: string, path: string, aheadMs: number][] = [
  ['GKE: the Connect gateway', '/v1/projects/4711/locations/global/gkeMemberships/prod', 0],
  ['Rancher, whose clock is ten minutes ahead', '/k8s/clusters/c-m-x2v4b6', 600_000],
  ['Rancher, whose clock is ten minutes behind', '/k8s/clusters/c-m-x2v4b6', -600_000],
];

// They wait for time to pass, most of the time.
describe('managed clusters', { concurrency: 3 }, () => {
  for (const [what, saysEnd] of [
    ['whose end the plugin says', true],
    ['whose end nobody says', false],
  ] as const)
    real(`EKS: tokens for a quarter of an hour, ${what}, and a balancer that cuts idle connections`, async (t) => {
      const place = await placed(t, (folder) => ({ idleMs: 1000, admits: ({ token }) => isFresh(folder, token) }));
      const { front, folder, certificates } = place;
      await assertShared(t, place, {
        cluster: { server: `https://127.0.0.1:${front.port}`, 'certificate-authority': certificates.authority.certificateFile },
        user: tokenPlugin(folder, saysEnd),
        holds: () => tokens(front) >= 3 && front.cut() >= 3,
      });
    });

  real("GKE: the DNS endpoint, whose certificate the system's authorities know", async (t) => {
    const place = await placed(t, (folder) => ({ servername: 'localhost', admits: ({ token }) => isFresh(folder, token) }));
    await assertShared(t, place, {
      cluster: { server: `https://localhost:${place.front.port}` },
      user: tokenPlugin(place.folder, true),
      env: { SSL_CERT_FILE: place.certificates.authority.certificateFile },
      holds: () => tokens(place.front) >= 2,
    });
  });

  for (const [what, prefix, aheadMs] of PREFIXED)
    real(`${what}: a path before that of the API server`, async (t) => {
      const token = 'kubeconfig-u-abc:def';
      const place = await placed(t, () => ({ prefix, aheadMs, admits: (caller: Caller) => caller.token === token }));
      const { front, certificates } = place;
      await assertShared(t, place, {
        cluster: {
          server: `https://127.0.0.1:${front.port}${prefix}`,
          'certificate-authority': certificates.authority.certificateFile,
        },
        user: { token },
        holds: () => true,
      });
    });

  real('AKS: a tunnel that goes by the name that TLS asks for', async (t) => {
    const servername = 'prod-dns-abc.lock.test';
    const place = await placed(t, () => ({ servername, idleMs: 3000 }));
    const { front, certificates } = place;
    await assertShared(t, place, {
      cluster: {
        server: `https://127.0.0.1:${front.port}`,
        'tls-server-name': servername,
        'certificate-authority': certificates.authority.certificateFile,
      },
      user: { token: 'aad' },
      holds: () => true,
    });
  });

  real('Teleport: certificates for a short time from a plugin, a name for TLS, and impersonation', async (t) => {
    const servername = 'kube-teleport-proxy-alpn.lock.test';
    const place = await placed(t, (folder) => ({ servername, admits: ({ subject }) => isFresh(folder, subject) }));
    const { front, folder, certificates } = place;
    for (const who of ['alice', 'bob'] as const) {
      const { certificate: clientCertificateData, key: clientKeyData } = certificates[who];
      const status = { clientCertificateData, clientKeyData, expirationTimestamp: 'ENDS' };
      writeFileSync(join(folder, `${who}.json`), JSON.stringify({ apiVersion, kind: 'ExecCredential', status }));
    }
    // Another one each second, for as long as the plugin is asked.
    const which = `if [ $(($(date +%s) % 2)) = 0 ]; then name=alice; else name=bob; fi`;
    await assertShared(t, place, {
      cluster: {
        server: `https://127.0.0.1:${front.port}`,
        'tls-server-name': servername,
        'certificate-authority': certificates.authority.certificateFile,
      },
      user: {
        ...plugin(`${which}; : >${issued(folder, '$name')}; sed "s/ENDS/${ends}/" ${folder}/$name.json`),
        as: 'deployer',
      },
      holds: () => new Set(front.callers.map(({ subject }) => subject)).size >= 2,
    });
  });

  real('OpenShift: an OAuth token', async (t) => {
    const token = `sha256~${'Ab3_'.repeat(10)}xyz`;
    const place = await placed(t, () => ({ admits: (caller) => caller.token === token }));
    await assertShared(t, place, {
      cluster: {
        server: `https://127.0.0.1:${place.front.port}`,
        'certificate-authority': place.certificates.authority.certificateFile,
      },
      user: { token },
      holds: () => true,
    });
  });
});
