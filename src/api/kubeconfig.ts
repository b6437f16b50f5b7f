/**
 * A cluster from a kubeconfig. KubeConfig of @kubernetes/client-node reads it and applies every form of credentials that kubectl takes
 * (exec plugins, client certificates, OIDC, token files); the connection itself stays ours. It is imported here and nowhere else.
 */
import { existsSync } from 'node:fs';
import type { KubeConfig } from '@kubernetes/client-node';
import { type Cluster, type ClusterOptions, type ClusterResult, type Credentials, DEFAULT_NAMESPACE } from './cluster.ts';
import { proxyFor } from './proxy.ts';
import { serverUrl } from './server-url.ts';

export async function fromKubeconfig(
  paths: string[],
  context: string | undefined,
  env: ClusterOptions['env'],
): Promise<ClusterResult> {
  const named = `kubeconfig ${paths.join(', ')}`;
  return await fromLoaded({ named, env }, async () => {
    const configs: KubeConfig[] = [];
    for (const path of readable(paths)) {
      const config = await newKubeConfig();
      config.loadFromFile(path);
      configs.push(config);
    }
    return merged(configs, context);
  });
}

/** From the text of one. Files that it names are read relative to the working directory. */
export async function fromText(text: string, context: string | undefined, env: ClusterOptions['env']): Promise<ClusterResult> {
  return await fromLoaded({ named: 'the kubeconfig given', env }, async () => {
    const config = await newKubeConfig();
    config.loadFromString(text);
    return merged([config], context);
  });
}

/** From a KubeConfig that somebody else has loaded, of any version of the package. */
export async function fromKubeConfigObject(config: KubeConfig, env: ClusterOptions['env']): Promise<ClusterResult> {
  return await fromLoaded({ named: 'the KubeConfig given', env }, async () => config);
}

async function fromLoaded(source: Omit<Source, 'reload'>, load: () => Promise<KubeConfig>): Promise<ClusterResult> {
  try {
    return clusterOf(await load(), { ...source, reload: load });
  } catch (error) {
    return { kind: 'refused', message: `${source.named}: ${(error as Error).message}` };
  }
}

async function newKubeConfig(): Promise<KubeConfig> {
  // The one file with KubeConfig in it: the package's index costs ten times as much to load.
  const { KubeConfig } = (await import('@kubernetes/client-node/dist/config.js')) as typeof import('@kubernetes/client-node');
  return new KubeConfig();
}

/** Of several files kubectl passes over those that do not exist; a single one has to be there. */
function readable(paths: string[]): string[] {
  const existing = paths.filter((path) => existsSync(path));
  return existing.length > 0 ? existing : paths;
}

/** As kubectl merges: whoever comes first wins, and the first current context that is set. */
function merged(configs: KubeConfig[], context: string | undefined): KubeConfig {
  const [config, ...others] = configs;
  if (!config) throw new Error('no file is named');
  const firstOfEach = <T extends { name: string }>(of: (config: KubeConfig) => T[]): T[] => {
    const entries = configs.flatMap(of);
    return entries.filter(({ name }, i) => entries.findIndex((entry) => entry.name === name) === i);
  };
  config.clusters = firstOfEach(({ clusters }) => clusters);
  config.contexts = firstOfEach(({ contexts }) => contexts);
  config.users = firstOfEach(({ users }) => users);
  config.currentContext ||= others.find(({ currentContext }) => currentContext)?.currentContext ?? '';
  if (context !== undefined) config.setCurrentContext(context);
  return config;
}

const ANONYMOUS = 'anonymous';

interface Source {
  /** For messages. */
  named: string;
  env: ClusterOptions['env'];
  /** Reads everything again, forgetting every cached token. */
  reload(): Promise<KubeConfig>;
}

function clusterOf(config: KubeConfig, { named, env, reload }: Source): ClusterResult {
  const name = config.getCurrentContext();
  const found = config.getCurrentCluster();
  const refused = (message: string): ClusterResult => ({
    kind: 'refused',
    message: `${named}: ${message}`,
  });
  if (!config.getContextObject(name)) {
    const known = config.contexts.map((known) => known.name).join(', ') || 'none';
    return refused(
      name
        ? `it has no context "${name}" (it has: ${known})`
        : 'no current context is set: set one with "kubectl config use-context", or name a context',
    );
  }
  if (!found) return refused(`the context "${name}" names a cluster that it does not have`);
  const server = serverUrl(found.server);
  if (!server) return refused(`the cluster of context "${name}" has no usable server URL ("${found.server}")`);
  const proxy = found.proxyUrl ?? proxyFor(server, env);
  let current = config;
  const credentials: Cluster['credentials'] = async (renew) => {
    // What it was read from may be gone, as after a job's clean-up: what is in memory is then the best there is.
    if (renew) current = await reload().catch(() => current);
    return await credentialsOf(current, proxy);
  };
  const namespace = config.getContextObject(name)?.namespace || DEFAULT_NAMESPACE;
  return {
    kind: 'cluster',
    cluster: { server, source: `${named}, context ${name}`, namespace, credentials, podToken: async () => undefined },
  };
}

async function credentialsOf(config: KubeConfig, proxy: string | undefined): Promise<Credentials> {
  // Without a user applyOptions leaves out the cluster's CA, too.
  if (!config.getCurrentUser()) {
    config.users = [...config.users, { name: ANONYMOUS }];
    config.contexts = config.contexts.map((known) =>
      known.name === config.currentContext ? { ...known, user: ANONYMOUS } : known,
    );
  }
  const options: {
    headers?: Record<string, string>;
    ca?: Buffer;
    cert?: Buffer;
    key?: Buffer;
    servername?: string;
    rejectUnauthorized?: boolean;
  } = {};
  await (config as unknown as { applyOptions(options: object): Promise<void> }).applyOptions(options);
  const user = config.getCurrentUser();
  const basic = user?.username
    ? { authorization: `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}` }
    : {};
  const { headers = {}, ca, cert, key, servername, rejectUnauthorized = true } = options;
  const named = config.getCurrentCluster()?.tlsServerName ?? servername;
  return {
    headers: { ...basic, ...headers },
    tls: {
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(named && { servername: named }),
      rejectUnauthorized,
    },
    proxy,
  };
}
