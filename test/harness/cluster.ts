/**
 * A real API server and its etcd, on loopback, in a folder of their own, gone when the tests are gone. One cluster serves all test
 * files (namespaces keep them apart): the runner starts it and hands it on through SHARED_CLUSTER; a test file that is run alone
 * starts its own. There is no controller manager: what it would make (a ServiceAccount, say) is made by hand here.
 * Faults (kill, freeze, restart) are only for a cluster that the test started itself.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterBinaries } from '../cluster/binaries.ts';
import { type Answer, type Api, type ApiObject, apiClient, type RequestOptions, type Watch } from './api.ts';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './control-plane.ts';
import { kubeconfigText } from './kubeconfig.ts';

/** Names a JSON file that describes a running cluster. */
export const SHARED_CLUSTER = 'K8S_LEASE_LOCK_TEST_CLUSTER';

export interface Cluster {
  url: string;
  /** PEM. */
  ca: string;
  caFile: string;
  adminToken: string;
  adminTokenFile: string;
  /** Certificate and key of another administrator, who has no token. */
  clientCertificate: { certificate: string; key: string };
  /** A kubeconfig file for the administrator. */
  kubeconfig: string;
  kubectl: string;
  pids: { etcd: number; apiServer: number };
  request(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<Answer>;
  watch(path: string, options?: RequestOptions): Promise<Watch>;
  /** Makes a namespace that nobody else uses. */
  namespace(prefix?: string): Promise<string>;
  /** Creates it, or replaces what is there. Fails loudly. */
  apply(object: Manifest): Promise<ApiObject>;
  /** A ServiceAccount, made where it is missing, and a token of it (TokenRequest, as a Pod would have). */
  serviceAccountToken(account: { namespace: string; name: string }): Promise<string>;
  /** A token of a user without any right, `user-1` .. `user-12`, for RBAC by user name. */
  userToken(number: number): string;
  /** Writes a kubeconfig file with that token, and returns its path. */
  kubeconfigFor(token: string, namespace?: string): string;
}

/** A cluster that this process started, so that it may be mistreated. */
export interface OwnCluster extends Cluster {
  controlPlane: ControlPlane;
  /** Writes the file that SHARED_CLUSTER names, and returns its path. */
  describe(): string;
  stop(): Promise<void>;
}

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; [field: string]: unknown };
  [field: string]: unknown;
}

interface Description {
  folder: string;
  url: string;
  kubectl: string;
  pids: { etcd: number; apiServer: number };
}

const SPARE_USERS = 12;

let ours: Promise<Cluster> | undefined;

/** The cluster of this test run; null where there can be none (see `missingCluster`). It needs no stop: it ends with the process. */
export async function useCluster(): Promise<Cluster | null> {
  const shared = process.env[SHARED_CLUSTER];
  if (shared) return attach(JSON.parse(readFileSync(shared, 'utf8')) as Description);
  if (await missingCluster()) return null;
  ours ??= startCluster();
  return ours;
}

/** One sentence that says why there is no real API server, or null. */
export async function missingCluster(): Promise<string | null> {
  if (process.env[SHARED_CLUSTER]) return null;
  const binaries = await clusterBinaries();
  return 'missing' in binaries ? binaries.missing : null;
}

/** The sentence to show where the real API server is left out, or null. */
export async function leftOut(): Promise<string | null> {
  const missing = await missingCluster();
  return missing && `NOT TESTED against a real Kubernetes API server: ${missing}`;
}

export async function startCluster(options: ControlPlaneOptions = {}): Promise<OwnCluster> {
  const binaries = await clusterBinaries();
  if ('missing' in binaries) throw new Error(binaries.missing);
  const controlPlane = await startControlPlane(binaries, tokenFile(), options);
  const { folder, url } = controlPlane;
  writeFileSync(join(folder, 'admin.token'), tokenOf(folder, 'admin'), { mode: 0o600 });
  const description = (): Description => ({ folder, url, kubectl: binaries.kubectl, pids: controlPlane.pids() });
  const cluster = attach(description());
  // Pods and TokenRequests of `default` expect it; the controller manager would make it.
  await cluster.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } });
  return {
    ...cluster,
    get pids() {
      return controlPlane.pids();
    },
    controlPlane,
    describe() {
      const file = join(folder, 'cluster.json');
      writeFileSync(file, JSON.stringify(description()));
      return file;
    },
    stop: controlPlane.stop,
  };
}

function attach({ folder, url, kubectl, pids }: Description): Cluster {
  const caFile = join(folder, 'certs', 'apiserver.crt');
  const ca = readFileSync(caFile, 'utf8');
  const adminToken = tokenOf(folder, 'admin');
  const api = apiClient({ url, ca, token: adminToken });
  const kubeconfigFor = (token: string, namespace?: string) => {
    const file = join(folder, `kubeconfig-${randomBytes(4).toString('hex')}`);
    const text = kubeconfigText({
      cluster: { server: url, 'certificate-authority': caFile },
      user: { token },
      ...(namespace && { namespace }),
    });
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return {
    url,
    ca,
    caFile,
    adminToken,
    adminTokenFile: join(folder, 'admin.token'),
    clientCertificate: { certificate: join(folder, 'client.crt'), key: join(folder, 'client.key') },
    kubeconfig: kubeconfigFor(adminToken),
    kubectl,
    pids,
    request: api.request,
    watch: api.watch,
    namespace: (prefix) => createNamespace(api, prefix),
    apply: (object) => apply(api, object),
    async serviceAccountToken({ namespace, name }) {
      await apply(api, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
      const answer = await api.request('POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} });
      return String((expectSuccess(answer, `POST ${path}`).status as { token: string }).token);
    },
    userToken: (number) => tokenOf(folder, `user-${number}`),
    kubeconfigFor,
  };
}

/** Also for the embedded server, which answers the same requests. */
export async function createNamespace(api: Pick<Api, 'request'>, prefix = 'test'): Promise<string> {
  const name = `${prefix}-${randomBytes(5).toString('hex')}`;
  expectSuccess(
    await api.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }),
    `namespace ${name}`,
  );
  return name;
}

async function apply(api: Pick<Api, 'request'>, object: Manifest): Promise<ApiObject> {
  const collection = collectionPath(object);
  const created = await api.request('POST', collection, object);
  if (created.status !== 409) return expectSuccess(created, `POST ${collection}`);
  const path = `${collection}/${object.metadata.name}`;
  return expectSuccess(
    await api.request('PATCH', path, object, { contentType: 'application/merge-patch+json' }),
    `PATCH ${path}`,
  );
}

function expectSuccess(answer: Answer, what: string): ApiObject {
  if (answer.status >= 300) throw new Error(`${what}: ${answer.status} ${answer.text}`);
  return answer.body;
}

/** Plurals are regular for all kinds that tests use, `Policy` included. */
function collectionPath({ apiVersion, kind, metadata }: Manifest): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const lower = kind.toLowerCase();
  const plural = lower.endsWith('y') ? `${lower.slice(0, -1)}ies` : `${lower}s`;
  return metadata.namespace ? `${base}/namespaces/${metadata.namespace}/${plural}` : `${base}/${plural}`;
}

/** token,user,uid,"group,group" for each line; the server reads it at its start only, hence the spare users. */
function tokenFile(): string {
  const line = (user: string, group: string) => `${randomBytes(16).toString('hex')},${user},${user}${group}`;
  const users = Array.from({ length: SPARE_USERS }, (_, index) => line(`user-${index + 1}`, ''));
  return `${[line('admin', ',system:masters'), ...users].join('\n')}\n`;
}

function tokenOf(folder: string, user: string): string {
  const lines = readFileSync(join(folder, 'tokens.csv'), 'utf8').split('\n');
  const token = lines.map((line) => line.split(',')).find((fields) => fields[1] === user)?.[0];
  if (!token) throw new Error(`no user ${user} in the cluster's token file`);
  return token;
}
