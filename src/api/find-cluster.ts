/**
 * Which API server, and with which credentials. In a Pod three files say it all and are read again for every request, so that a rotated
 * token or CA counts immediately; a kubeconfig is read as kubectl reads it, by code that is loaded only then.
 * TLS is verified unless a kubeconfig says otherwise; no environment variable can switch that off.
 */
import { delimiter, join } from 'node:path';
import { documentAt } from '../documents.ts';
import type { Source } from './clientcmd.ts';
import {
  type Cluster,
  type ClusterOptions,
  type ClusterResult,
  type CredentialsRequest,
  DEFAULT_NAMESPACE,
  Unusable,
} from './cluster.ts';
import { problemOfAuthority, type Read, readFile, reread, stat } from './files.ts';
import { proxyFor } from './proxy.ts';
import { serverUrl } from './server-url.ts';
import { systemAuthorities } from './system-authorities.ts';

const POD_FILES = '/var/run/secrets/kubernetes.io/serviceaccount';

/** In kubectl's order: what is asked for, else KUBECONFIG or ~/.kube/config, else the Pod that this runs in. */
export async function findCluster(options: ClusterOptions): Promise<ClusterResult> {
  const { kubeconfig, kubeconfigText, server, context, env, tell } = options;
  if (server !== undefined) {
    if (kubeconfig !== undefined || kubeconfigText !== undefined || context !== undefined)
      return refused('a server cannot be combined with a kubeconfig or a context: use one of them');
    return namedServer(server, options);
  }
  const { tokenFile, token, certificateAuthority, certificateAuthorityData } = options;
  if ([tokenFile, token, certificateAuthority, certificateAuthorityData].some((given) => given !== undefined)) {
    return refused('a token or a certificate authority requires a server: name the server as well');
  }
  const found = await fromKubeconfigs(options);
  if (found.kind !== 'nothing') return found;
  if (context) return refused(`there is no kubeconfig to find the context "${context}" in: set KUBECONFIG, or name a kubeconfig`);
  if (!env.KUBERNETES_SERVICE_HOST)
    return { kind: 'refused', absent: true, message: `no cluster: ${found.message}, and this is not a Pod. ${NAME_ONE}` };
  // kubectl warns, too.
  if ((kubeconfig ?? kubeconfigText) !== undefined || env.KUBECONFIG) tell?.(`${found.message}: using the Pod that this runs in`);
  return await inPod(env.KUBERNETES_SERVICE_HOST, env.KUBERNETES_SERVICE_PORT || '443', options);
}

const NAME_ONE = `Name a kubeconfig or a server (${documentAt('clusters.md')})`;

/** `nothing`: no kubeconfig names a cluster. What reads them is loaded only if there are any. */
async function fromKubeconfigs(options: ClusterOptions): Promise<ClusterResult | { kind: 'nothing'; message: string }> {
  const { kubeconfig, kubeconfigText, env } = options;
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter(Boolean);
  const paths = kubeconfig !== undefined ? [kubeconfig] : listed.length > 0 ? listed : [homeKubeconfig(env)];
  if (kubeconfigText === undefined && kubeconfig === undefined && !(await anyExists(paths))) {
    const message =
      listed.length > 0
        ? `KUBECONFIG names no file that exists (${env.KUBECONFIG})`
        : 'KUBECONFIG is not set, there is no ~/.kube/config';
    return { kind: 'nothing', message };
  }
  const missing = kubeconfig === undefined ? 'ignored' : 'refused';
  const source: Source = kubeconfigText === undefined ? { paths, missing } : { text: kubeconfigText };
  const { fromKubeconfig } = await import('./kubeconfig.ts');
  return await fromKubeconfig(source, { ...options, namespace: await namespaceBeside(options) });
}

async function anyExists(paths: readonly string[]): Promise<boolean> {
  // What is there and can't be read is for the reader to complain about.
  const there = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        () => true,
        (error) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
      ),
    ),
  );
  return there.includes(true);
}

function homeKubeconfig({ HOME, USERPROFILE }: ClusterOptions['env']): string {
  const home = HOME || (process.platform === 'win32' ? USERPROFILE : '') || '';
  return join(home, '.kube', 'config');
}

/** Of a context without a namespace: within a Pod kubectl means the Pod's, also in another cluster. */
async function namespaceBeside({ env, podFiles = POD_FILES }: ClusterOptions): Promise<string> {
  const inPod = env.KUBERNETES_SERVICE_HOST && env.KUBERNETES_SERVICE_PORT && (await anyExists([`${podFiles}/token`]));
  return inPod ? await podNamespace(env, podFiles) : DEFAULT_NAMESPACE;
}

async function podNamespace(env: ClusterOptions['env'], podFiles: string): Promise<string> {
  const inFile = async () => (await readFile(`${podFiles}/namespace`, 'utf8').catch(() => '')).trim();
  return env.POD_NAMESPACE || (await inFile()) || DEFAULT_NAMESPACE;
}

function namedServer(text: string, options: ClusterOptions): ClusterResult {
  const { tokenFile, certificateAuthority, certificateAuthorityData, env } = options;
  const server = serverUrl(text);
  if (!server) return refused(`invalid URL "${text}" of an API server: write it as https://host:port`);
  const inFile = tokenFile === undefined ? undefined : reread(tokenFile, 'token file');
  const pem = async () => certificateAuthorityData ?? '';
  const fromFile = certificateAuthority === undefined ? undefined : reread(certificateAuthority, 'certificate authority');
  const ca = certificateAuthorityData === undefined ? fromFile : pem;
  return withCredentials({ server, token: options.token ?? inFile, ca, env }, (credentials) => ({
    server,
    source: 'the server given',
    namespace: DEFAULT_NAMESPACE,
    credentials,
    podToken: async () => undefined,
  }));
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
  const namespace = await podNamespace(env, podFiles);
  const podToken = async () => (await token()).trim();
  return withCredentials({ server, token, ca, env }, (credentials) => ({
    server,
    source: 'the Pod',
    namespace,
    credentials,
    podToken,
  }));
}

interface FromFiles {
  server: string;
  token: ClusterOptions['token'];
  ca: Read | undefined;
  env: ClusterOptions['env'];
}

function withCredentials(
  { server, token, ca, env }: FromFiles,
  make: (credentials: Cluster['credentials']) => Cluster,
): ClusterResult {
  let proxy: string | undefined;
  try {
    proxy = proxyFor(server, env);
  } catch (error) {
    return refused((error as Error).message);
  }
  const authority = async () => {
    const pem = await (ca?.() ?? systemAuthorities(env));
    const problem = ca && problemOfAuthority(pem);
    if (problem) throw new Unusable(`the certificate authority ${problem}`);
    return pem;
  };
  const credentials = async ({ refused: refusedOnes }: CredentialsRequest) => {
    const [bearer, ca] = await Promise.all([
      token?.(refusedOnes !== undefined),
      server.startsWith('https:') ? authority() : undefined,
    ]);
    return {
      headers: (bearer === undefined ? {} : { authorization: `Bearer ${bearer.trim()}` }) as Record<string, string>,
      tls: { ...(ca !== undefined && { ca }), rejectUnauthorized: true },
      proxy,
    };
  };
  return { kind: 'cluster', cluster: make(credentials) };
}

const refused = (message: string): ClusterResult => ({ kind: 'refused', message });
