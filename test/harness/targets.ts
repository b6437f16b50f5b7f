/** The API servers that a suite runs against, behind one interface: the embedded one, which is always there, and a real one (see real.ts). */
import { startLeaseServer } from '../../src/server/server.ts';
import { type Api, apiClient } from './api.ts';
import { type Cluster, createNamespace } from './cluster.ts';
import { missing, realCluster } from './real.ts';

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
  return [await embeddedTarget(), ...(missing ? [] : [realTarget(await realCluster())])];
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
