/**
 * Where the lock is known to work, and by which test; or why it is not tested there. docs/compatibility.md has it as tables. A test is named by its file, and where
 * that has many, by a part of its name.
 */
import { olderVersions, versionIn } from '../versions/chosen.ts';
import { root } from './documents.ts';

export interface Tested {
  where: string;
  test: string;
  /** A part of the test's name, as the file has it. */
  name?: string;
}

export interface NotTested {
  where: string;
  because: string;
}

const NO_ACCOUNT = 'the tests use no account of a provider; what is particular about the way to it is above';
const MANAGED = 'test/field/managed.test.ts';
const MOVED = 'test/availability/moved.test.ts';

export const COMPATIBLE: Record<string, readonly (Tested | NotTested)[]> = {
  versions: [
    { where: `Kubernetes ${versionIn(`${root}/test/cluster`).slice(1)}`, test: 'test/all.ts', name: 'npm test' },
    { where: 'its kubelet, controllers and scheduler', test: 'test/node/all.ts', name: 'npm run test:node' },
    ...olderVersions()
      .toReversed()
      .map((minor) => ({
        where: `Kubernetes ${versionIn(`${root}/test/versions/${minor}`).slice(1)}`,
        test: 'test/versions/all.ts',
        name: 'npm run test:versions',
      })),
    { where: 'versions in between', because: 'what differs between those above is a message, or is new' },
    { where: 'kubelets older than the newest', because: 'the tests build one kubelet' },
  ],
  stores: [
    { where: 'etcd', test: 'test/harness/store.ts', name: 'etcd' },
    { where: 'kine on SQLite, as in k3s', test: 'test/versions/chosen.ts', name: "'kine'" },
    { where: 'kine on PostgreSQL', test: 'test/versions/chosen.ts', name: "'kine-postgres'" },
    { where: 'a store that is killed and comes back', test: 'test/availability/store.test.ts', name: 'the store is killed' },
    { where: 'a store that has forgotten its past (410)', test: 'test/availability/store.test.ts', name: '(410)' },
    { where: 'etcd restored from a backup', test: 'test/availability/restored.test.ts', name: 'nobody runs beside a holder' },
    { where: 'two API servers behind a balancer', test: MOVED, name: 'connections are moved' },
    { where: 'an API server that is killed and comes back', test: MOVED, name: 'is killed and comes back' },
    {
      where: 'an older API server beside the newest, as in an upgrade',
      test: 'test/availability/scene.ts',
      name: 'newestApiServer',
    },
    { where: 'an API server that stands still', test: 'test/availability/lagging.test.ts', name: 'stands still' },
    { where: 'watches that are late', test: 'test/availability/lagging.test.ts', name: 'seconds late' },
    { where: 'a watch that says nothing', test: 'test/availability/silent.test.ts', name: 'silent watch' },
    { where: 'etcd with several members', because: 'an API server shows the same, whichever member it asks' },
    { where: 'kine on MySQL or NATS', because: 'the API server sees kine, not what is below it' },
  ],
  clusters: [
    { where: 'EKS: short tokens, idle connections cut', test: MANAGED, name: 'EKS: tokens' },
    { where: 'GKE: DNS endpoint, certificate of the system', test: MANAGED, name: 'GKE: the DNS endpoint' },
    { where: 'GKE: Connect gateway, a path', test: MANAGED, name: 'GKE: the Connect gateway' },
    { where: 'AKS: a tunnel by name', test: MANAGED, name: 'AKS: a tunnel' },
    { where: 'Rancher: a path, a clock of its own', test: MANAGED, name: 'Rancher' },
    { where: 'Teleport: short certificates, impersonation', test: MANAGED, name: 'Teleport' },
    { where: 'OpenShift: OAuth token', test: MANAGED, name: 'OpenShift' },
    { where: 'OpenShift: a user id without a name', test: 'test/field/nobody.test.ts', name: 'a user without a name' },
    { where: 'kubeconfigs of every kind', test: 'test/api/kubeconfig-kinds.test.ts' },
    { where: 'proxies', test: 'test/e2e/kubeconfig.test.ts', name: 'HTTPS_PROXY' },
    { where: 'service meshes and balancers in a rollout', test: 'test/field/between.test.ts' },
    { where: 'EKS, GKE, AKS and others themselves', because: NO_ACCOUNT },
  ],
  machines: [
    { where: 'Linux on x64', test: 'test/all.ts', name: 'npm test' },
    { where: 'Linux on arm64, emulated', test: 'test/builds/arm64.test.ts' },
    {
      where: 'Linux on arm64, macOS and Windows: what needs no Linux',
      test: 'test/portable/all.ts',
      name: 'npm run test:portable',
    },
    { where: 'Node.js 22, 24 and 26', test: 'test/matrix/all.ts' },
    { where: 'other systems', because: '`run` is refused there, and nobody has asked for them' },
  ],
};

export function compatibilityTable(group: string): string {
  const rows = (COMPATIBLE[group] ?? []).map((row) => {
    if ('because' in row) return [row.where, `not tested: ${row.because}`];
    return [row.where, `[${row.test.replace('test/', '')}](../${row.test})`];
  });
  return [['where', 'tested by'], ['---', '---'], ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
