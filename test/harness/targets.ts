/**
 * The API servers that a suite runs against, behind one interface: the embedded one, which is always there, and a real one. Where
 * the real one can't be had it is left out, and that is said; under CI it is a failure, so that nobody is told that all is well by a
 * suite that was not run.
 */
import { startLeaseServer } from '../../src/server/server.ts';
import { type Api, apiClient } from './api.ts';
import { type Cluster, createNamespace, missingCluster, useCluster } from './cluster.ts';

export interface ApiTarget extends Api {
  name: 'embedded' | 'real';
  /** PEM, where the server has TLS. */
  ca?: string;
  caFile?: string;
  /** An administrator's, where the server asks for one. */
  token?: string;
  tokenFile?: string;
  namespace(prefix?: string): Promise<string>;
  /** What only a real cluster has: users, RBAC, kubeconfigs. */
  cluster?: Cluster;
  /** To be called when the suite is done; the embedded server ends. */
  close(): Promise<void>;
}

/** One server of each kind. Call `close` on each of them in an `after` hook. */
export async function targets(): Promise<ApiTarget[]> {
  const missing = await leftOut();
  if (missing && process.env.CI) throw new Error(missing);
  if (missing) process.stderr.write(`${missing}\n`);
  const real = missing ? null : await useCluster();
  return [await embeddedTarget(), ...(real ? [realTarget(real)] : [])];
}

/** The sentence to show where the real API server is left out, or null. */
export async function leftOut(): Promise<string | null> {
  const missing = await missingCluster();
  return missing && `NOT TESTED against a real Kubernetes API server: ${missing}`;
}

export async function embeddedTarget(): Promise<ApiTarget> {
  const server = await startLeaseServer();
  const api = apiClient({ url: server.url });
  return { ...api, name: 'embedded', namespace: (prefix) => createNamespace(api, prefix), close: server.close };
}

function realTarget(cluster: Cluster): ApiTarget {
  return {
    name: 'real',
    url: cluster.url,
    ca: cluster.ca,
    caFile: cluster.caFile,
    token: cluster.adminToken,
    tokenFile: cluster.adminTokenFile,
    request: cluster.request,
    watch: cluster.watch,
    namespace: cluster.namespace,
    cluster,
    close: async () => {}, // it belongs to the whole test run
  };
}
