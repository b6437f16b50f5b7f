/**
 * Which API server, and with which credentials. In a Pod three files say it all and are read again for every request, so that a rotated
 * token or CA counts at once; for a kubeconfig @kubernetes/client-node does the work, loaded only then.
 * TLS is verified unless a kubeconfig says otherwise; no environment variable can switch that off.
 */
import { readFile, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { proxyFor } from './proxy.ts';
import { serverUrl } from './server-url.ts';

export interface Credentials {
  headers: Record<string, string>;
  tls: TlsOptions;
  /** URL of the proxy to go through. */
  proxy: string | undefined;
}

export interface TlsOptions {
  ca?: string | Buffer | undefined;
  cert?: string | Buffer | undefined;
  key?: string | Buffer | undefined;
  servername?: string | undefined;
  rejectUnauthorized: boolean;
}

export interface Cluster {
  /** The API server's URL, without a slash at the end. */
  server: string;
  /** Where it was found, for messages. */
  source: string;
  /** What a command without a namespace means. */
  namespace: string | undefined;
  /** For one request; `renew` after a 401 has shown that what was cached is no longer good. Rejects with a sentence. */
  credentials(renew: boolean): Promise<Credentials>;
}

export interface ClusterOptions {
  kubeconfig?: string | undefined;
  /** A kubeconfig itself, YAML or JSON, for those who have it in memory. */
  kubeconfigText?: string | undefined;
  context?: string | undefined;
  server?: string | undefined;
  tokenFile?: string | undefined;
  /** A bearer token for `server`, asked for before each request; `renew` after a 401. Rejects with a sentence. */
  token?: ((renew: boolean) => Promise<string>) | undefined;
  certificateAuthority?: string | undefined;
  /** CA certificates (PEM) for `server`. */
  certificateAuthorityData?: string | undefined;
  /** Environment in which KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST and the proxies are looked up. */
  env: Readonly<Record<string, string | undefined>>;
  /** Where a Pod finds its token, CA and namespace; tests put their own here. */
  podFiles?: string | undefined;
}

export type ClusterResult = { kind: 'cluster'; cluster: Cluster } | { kind: 'refused'; message: string };

const POD_FILES = '/var/run/secrets/kubernetes.io/serviceaccount';

/** In kubectl's order: what is asked for, else KUBECONFIG or ~/.kube/config, else the Pod that this runs in. */
export async function findCluster(options: ClusterOptions): Promise<ClusterResult> {
  const { kubeconfig, kubeconfigText, server, context, env } = options;
  if (server !== undefined) {
    if (kubeconfig !== undefined || kubeconfigText !== undefined || context !== undefined)
      return refused('a server can not be combined with a kubeconfig or a context: give one of them');
    return namedServer(server, options);
  }
  const { tokenFile, token, certificateAuthority, certificateAuthorityData } = options;
  if ([tokenFile, token, certificateAuthority, certificateAuthorityData].some((given) => given !== undefined)) {
    return refused('a token or a certificate authority says nothing without a server: name the server, too');
  }
  if (kubeconfigText !== undefined) return (await import('./kubeconfig.ts')).fromText(kubeconfigText, context, env);
  const paths = kubeconfig !== undefined ? [kubeconfig] : await kubeconfigsOf(env);
  if (paths.length > 0) return await (await import('./kubeconfig.ts')).fromKubeconfig(paths, context, env);
  if (context !== undefined)
    return refused(`there is no kubeconfig to find the context "${context}" in: set KUBECONFIG, or name a kubeconfig`);
  if (env.KUBERNETES_SERVICE_HOST) return await inPod(env.KUBERNETES_SERVICE_HOST, env.KUBERNETES_SERVICE_PORT ?? '443', options);
  return refused(
    'no cluster: KUBECONFIG is not set, there is no ~/.kube/config, and this is not a Pod. ' +
      'Name a kubeconfig or a server, or start a server of your own with "k8s-lease-lock serve" (docs/clusters.md)',
  );
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
  if (!server) return refused(`"${text}" is not the URL of an API server: write it as https://host:port`);
  const token = options.token ?? (tokenFile === undefined ? undefined : reread(tokenFile, 'token file'));
  const pem = async () => certificateAuthorityData ?? '';
  const fromFile = certificateAuthority === undefined ? undefined : reread(certificateAuthority, 'certificate authority');
  const ca = certificateAuthorityData === undefined ? fromFile : pem;
  return {
    kind: 'cluster',
    cluster: { server, source: 'the server given', namespace: undefined, credentials: fromFiles(server, token, ca, env) },
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
      `${(error as Error).message}: this Pod has no service account token; set automountServiceAccountToken: true (docs/clusters.md#pod)`,
    );
  }
  try {
    await ca();
  } catch (error) {
    return refused(
      `${(error as Error).message}: mount the whole volume of the service account, not its token alone (docs/clusters.md#pod)`,
    );
  }
  const namespace = (await readFile(`${podFiles}/namespace`, 'utf8').catch(() => '')).trim() || undefined;
  return { kind: 'cluster', cluster: { server, source: 'the Pod', namespace, credentials: fromFiles(server, token, ca, env) } };
}

type Read = () => Promise<string>;

function fromFiles(
  server: string,
  token: ((renew: boolean) => Promise<string>) | undefined,
  ca: Read | undefined,
  env: ClusterOptions['env'],
): Cluster['credentials'] {
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
