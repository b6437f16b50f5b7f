/**
 * A cluster from a KubeConfig of @kubernetes/client-node that a user of the library has loaded: whatever it does for credentials, its own plugins
 * included, it goes on doing; the connection is ours. The package itself is the user's.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import { type ClusterOptions, type ClusterResult, type Credentials, DEFAULT_NAMESPACE } from './cluster.ts';
import { proxyFor } from './proxy.ts';
import { basicAuthorization, serverUrl } from './server-url.ts';
import { systemAuthorities } from './system-authorities.ts';

const NAMED = 'the KubeConfig given';

export function fromKubeConfigObject(config: KubeConfig, env: ClusterOptions['env']): ClusterResult {
  try {
    return clusterOf(config, env);
  } catch (error) {
    return { kind: 'refused', message: `${NAMED}: ${(error as Error).message}` };
  }
}

function clusterOf(config: KubeConfig, env: ClusterOptions['env']): ClusterResult {
  const name = config.getCurrentContext();
  const context = config.getContextObject(name);
  const found = config.getCurrentCluster();
  const known = config.contexts.map((each) => each.name).join(', ') || 'none';
  if (!context && !name) throw new Error('no current context is set: set one with setCurrentContext');
  if (!context) throw new Error(`it has no context "${name}" (it has: ${known})`);
  if (!found) throw new Error(`the context "${name}" names a cluster that it does not have`);
  const server = serverUrl(found.server);
  if (!server) throw new Error(`the cluster of context "${name}" has no usable server URL ("${found.server}")`);
  const proxy = found.proxyUrl ?? proxyFor(server, env);
  return {
    kind: 'cluster',
    cluster: {
      server,
      source: `${NAMED}, context ${name}`,
      namespace: context.namespace || DEFAULT_NAMESPACE,
      credentials: async () => ({ ...(await credentialsOf(config, env)), proxy }),
      podToken: async () => undefined,
    },
  };
}

interface Applied {
  headers?: Record<string, string>;
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
  servername?: string;
  rejectUnauthorized?: boolean;
}

const ANONYMOUS = 'anonymous';

async function credentialsOf(config: KubeConfig, env: ClusterOptions['env']): Promise<Omit<Credentials, 'proxy'>> {
  // Without a user applyOptions leaves out the cluster's CA, too.
  if (!config.getCurrentUser()) {
    config.users = [...config.users, { name: ANONYMOUS }];
    config.contexts = config.contexts.map((known) =>
      known.name === config.currentContext ? { ...known, user: ANONYMOUS } : known,
    );
  }
  const options: Applied = {};
  await (config as unknown as { applyOptions(options: object): Promise<void> }).applyOptions(options);
  const { username, password = '' } = config.getCurrentUser() ?? {};
  const { headers = {}, ca, cert, key, servername, rejectUnauthorized = true } = options;
  const named = config.getCurrentCluster()?.tlsServerName ?? servername;
  return {
    headers: { ...(username && { authorization: basicAuthorization(username, password) }), ...headers },
    tls: {
      ca: ca?.toString() ?? (await systemAuthorities(env)),
      ...(cert && { cert: cert.toString() }),
      ...(key && { key: key.toString() }),
      ...(named && { servername: named }),
      rejectUnauthorized,
    },
  };
}
