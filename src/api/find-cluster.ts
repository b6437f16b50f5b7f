/**
 * Which API server, and with which credentials. In a Pod three files say it all and are read again for every request, so that a rotated
 * token or CA counts immediately; for a kubeconfig @kubernetes/client-node does the work, loaded only then.
 * TLS is verified unless a kubeconfig says otherwise; no environment variable can switch that off.
 */
import { readFile, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { documentAt } from '../documents.ts';
import { type Cluster, type ClusterOptions, type ClusterResult, DEFAULT_NAMESPACE } from './cluster.ts';
import { proxyFor } from './proxy.ts';
import { serverUrl } from './server-url.ts';

const POD_FILES = '/var/run/secrets/kubernetes.io/serviceaccount';

/** In kubectl's order: what is asked for, else KUBECONFIG or ~/.kube/config, else the Pod that this runs in. */
export async function findCluster(options: ClusterOptions): Promise<ClusterResult> {
  const { kubeconfig, kubeconfigText, server, context, env } = options;
  if (server !== undefined) {
    if (kubeconfig !== undefined || kubeconfigText !== undefined || context !== undefined)
      return refused('a server cannot be combined with a kubeconfig or a context: use one of them');
    return namedServer(server, options);
  }
  const { tokenFile, token, certificateAuthority, certificateAuthorityData } = options;
  if ([tokenFile, token, certificateAuthority, certificateAuthorityData].some((given) => given !== undefined)) {
    return refused('a token or a certificate authority requires a server: name the server as well');
  }
  if (kubeconfigText !== undefined) return (await import('./kubeconfig.ts')).fromText(kubeconfigText, context, env);
  const paths = kubeconfig !== undefined ? [kubeconfig] : await kubeconfigsOf(env);
  if (paths.length > 0) return await (await import('./kubeconfig.ts')).fromKubeconfig(paths, context, env);
  if (context !== undefined)
    return refused(`there is no kubeconfig to find the context "${context}" in: set KUBECONFIG, or name a kubeconfig`);
  if (env.KUBERNETES_SERVICE_HOST) return await inPod(env.KUBERNETES_SERVICE_HOST, env.KUBERNETES_SERVICE_PORT ?? '443', options);
  return {
    kind: 'refused',
    absent: true,
    message:
      'no cluster: KUBECONFIG is not set, there is no ~/.kube/config, and this is not a Pod. ' +
      `Name a kubeconfig or a server (${documentAt('clusters.md')})`,
  };
}

async function kubeconfigsOf({ KUBECONFIG, HOME, USERPROFILE }: ClusterOptions['env']): Promise<string[]> {
  if (KUBECONFIG) return KUBECONFIG.split(delimiter).filter(Boolean);
  const home = HOME || USERPROFILE;
  if (!home) return [];
  const path = join(home, '.kube', 'config');
  return (await stat(path).catch(() => undefined))?.isFile() ? [path] : [];
}

function namedServer(text: string, options: ClusterOptions): ClusterResult {
  const { tokenFile, certificateAuthority, certificateAuthorityData, env } = options;
  const server = serverUrl(text);
  if (!server) return refused(`invalid URL "${text}" of an API server: write it as https://host:port`);
  const token = options.token ?? (tokenFile === undefined ? undefined : reread(tokenFile, 'token file'));
  const pem = async () => certificateAuthorityData ?? '';
  const fromFile = certificateAuthority === undefined ? undefined : reread(certificateAuthority, 'certificate authority');
  const ca = certificateAuthorityData === undefined ? fromFile : pem;
  return {
    kind: 'cluster',
    cluster: {
      server,
      source: 'the server given',
      namespace: DEFAULT_NAMESPACE,
      credentials: fromFiles({ server, token, ca, env }),
      podToken: async () => undefined,
    },
  };
}

async function inPod(host: string, port: string, { env, podFiles = POD_FILES }: ClusterOptions): Promise<ClusterResult> {
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const token = reread(`${podFiles}/token`, 'service account token');
  const ca = reread(`${podFiles}/ca.crt`, "cluster's CA");
  try {
    await token();
  } catch (error) {
    return refused(
      `${(error as Error).message}: this Pod has no service account token; set automountServiceAccountToken: true (${documentAt('clusters.md#pod')})`,
    );
  }
  try {
    await ca();
  } catch (error) {
    return refused(
      `${(error as Error).message}: mount the whole volume of the service account, not its token alone (${documentAt('clusters.md#pod')})`,
    );
  }
  const namespace = (await readFile(`${podFiles}/namespace`, 'utf8').catch(() => '')).trim() || DEFAULT_NAMESPACE;
  const credentials = fromFiles({ server, token, ca, env });
  const podToken = async () => (await token()).trim();
  return { kind: 'cluster', cluster: { server, source: 'the Pod', namespace, credentials, podToken } };
}

type Read = () => Promise<string>;

interface FromFiles {
  server: string;
  token: ((renew: boolean) => Promise<string>) | undefined;
  ca: Read | undefined;
  env: ClusterOptions['env'];
}

function fromFiles({ server, token, ca, env }: FromFiles): Cluster['credentials'] {
  const proxy = proxyFor(server, env);
  return async (renew) => ({
    headers: token ? { authorization: `Bearer ${(await token(renew)).trim()}` } : {},
    tls: { ...(ca && { ca: await ca() }), rejectUnauthorized: true },
    proxy,
  });
}

/** Reads the file each time; while it can't be read (it is being replaced, the disk is slow to answer) what it last said is used. */
function reread(path: string, what: string): Read {
  let last: string | undefined;
  return async () => {
    try {
      last = await readFile(path, 'utf8');
    } catch (error) {
      if (last === undefined) throw new Error(`can't read the ${what} ${path} (${(error as NodeJS.ErrnoException).code})`);
    }
    return last;
  };
}

const refused = (message: string): ClusterResult => ({ kind: 'refused', message });
