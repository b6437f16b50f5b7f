/**
 * A cluster from a kubeconfig: what clientcmd.ts has read becomes a server, and credentials that are made anew for each request, since files rotate,
 * tokens end and plugins have more to say. Imported only where there is a kubeconfig.
 */
import type { Clock } from '../clock.ts';
import { readKubeconfig, type Selected, type Source } from './clientcmd.ts';
import { type Cluster, type ClusterOptions, type ClusterResult, type Credentials, type TlsOptions, Unusable } from './cluster.ts';
import { execPlugin, type Plugin, type PluginRequest } from './exec-plugin.ts';
import type { PluginCredentials } from './exec-run.ts';
import { dataOrFile, problemOfAuthority, reread } from './files.ts';
import { problemOf } from './kubeconfig-problems.ts';
import { oidcTokens } from './oidc.ts';
import { proxyFor } from './proxy.ts';
import { authorizationIn, serverUrl } from './server-url.ts';
import { systemAuthorities } from './system-authorities.ts';
import { proofOf } from './user.ts';

export interface Surroundings extends Pick<ClusterOptions, 'env' | 'terminal' | 'tell'> {
  context?: string | undefined;
  /** Of a context that names none. */
  namespace: string;
}

/** `nothing`: it names no cluster, and why. */
export async function fromKubeconfig(
  source: Source,
  around: Surroundings,
): Promise<ClusterResult | { kind: 'nothing'; message: string }> {
  const named = 'text' in source ? 'the kubeconfig given' : `kubeconfig ${source.paths.join(', ')}`;
  const read = () => readKubeconfig(source, around.context);
  try {
    const selected = await read();
    if ('nothing' in selected) return { kind: 'nothing', message: `${named}: ${selected.nothing}` };
    const server = serverOf(selected);
    const credentials = await renewable(selected, { ...around, server, read, plugins: new Map() });
    return {
      kind: 'cluster',
      cluster: {
        server,
        source: `${named}, context ${selected.context}`,
        namespace: selected.namespace || around.namespace,
        credentials,
        podToken: async () => undefined,
      },
    };
  } catch (error) {
    return { kind: 'refused', message: `${named}: ${(error as Error).message}` };
  }
}

/** As Go reads it: without a scheme it is HTTP. */
function serverOf({ clusterName, cluster: { server } }: Selected): string {
  if (server === '') throw new Error(`the cluster "${clusterName}" has no server: add its URL, such as https://host:6443`);
  const bare = /^[^/]+\/?$/.test(server) ? serverUrl(`http://${server}`) : undefined;
  const url = serverUrl(server) ?? bare;
  if (url !== undefined) return url;
  throw new Error(`the cluster "${clusterName}" has no usable server URL ("${server}"): write it as https://host:port`);
}

interface Maker extends Surroundings {
  server: string;
  read(): Promise<Selected | { nothing: string }>;
  /** Those that have run, by what they were told: a kubeconfig that is read again goes on with them. */
  plugins: Map<string, Plugin>;
}

/** All of it is read again when the API server has not accepted what came of it. */
async function renewable(first: Selected, maker: Maker): Promise<Cluster['credentials']> {
  const saidBy = new WeakMap<Credentials, PluginCredentials>();
  let make = await credentialsOf(first, maker);
  return async ({ refused, ...request }) => {
    if (refused) {
      // What it was read from may be gone, as after a job's clean-up: what is in memory is then the best there is.
      const next = await maker.read().catch(() => undefined);
      if (next && !('nothing' in next)) make = await credentialsOf(next, maker).catch(() => make);
    }
    const { plugin, ...credentials } = await make({ ...request, refused: refused && saidBy.get(refused) });
    if (plugin) saidBy.set(credentials, plugin);
    return credentials;
  };
}

type Make = (request: PluginRequest) => Promise<Credentials & { plugin?: PluginCredentials | undefined }>;

/** Rejects with a sentence, also for files that can't be read now. */
async function credentialsOf(selected: Selected, maker: Maker): Promise<Make> {
  const { cluster, userName, user } = selected;
  const { server, env } = maker;
  const secure = server.startsWith('https:');
  const problem = problemOf(selected, secure);
  if (problem !== undefined) throw new Error(problem);
  await readFiles(selected);
  const tls = secure ? tlsOf(selected, env) : async (): Promise<TlsOptions> => ({ rejectUnauthorized: true });
  await tls();
  const prove = await proofOf({
    name: userName,
    user,
    secure,
    plugin: () => pluginOf(selected, maker, async () => (await tls()).ca ?? ''),
    oidc: () => oidcOf(selected, maker),
  });
  const proxy = cluster['proxy-url'] || proxyFor(server, env);
  const ofUrl = authorizationIn(cluster.server);
  return async (request) => {
    const { headers, pair, plugin } = await prove(request);
    return { headers: { ...headers, ...ofUrl }, tls: { ...(await tls()), ...pair }, proxy, plugin };
  };
}

/** What is named has to be there, as for kubectl, also where HTTP or another kind of proof makes no use of it. */
async function readFiles({ cluster, user }: Selected): Promise<void> {
  const certificate = user['client-certificate'];
  const key = certificate || user['client-certificate-data'] ? user['client-key'] : '';
  const named = {
    'certificate-authority': cluster['certificate-authority'],
    'client-certificate': certificate,
    'client-key': key,
  };
  for (const [what, path] of Object.entries(named)) if (path !== '') await reread(path, what)();
}

function tlsOf({ clusterName, cluster }: Selected, env: Surroundings['env']): () => Promise<TlsOptions> {
  const insecure = cluster['insecure-skip-tls-verify'];
  const servername = cluster['tls-server-name'];
  const read = dataOrFile(cluster['certificate-authority-data'], cluster['certificate-authority'], 'certificate-authority');
  return async () => {
    const ca = insecure ? undefined : await (read?.() ?? systemAuthorities(env));
    const why = ca === undefined || !read ? undefined : problemOfAuthority(ca);
    if (why !== undefined) throw new Unusable(`cluster "${clusterName}": the certificate-authority ${why}`);
    return { ...(ca !== undefined && { ca }), ...(servername !== '' && { servername }), rejectUnauthorized: !insecure };
  };
}

/** The extension of a cluster that is for its plugins. */
const EXEC_EXTENSION = 'client.authentication.k8s.io/exec';

function pluginOf({ cluster, user }: Selected, { plugins, ...maker }: Maker, authority: () => Promise<string>): Plugin {
  const entry = user.exec;
  if (!entry) throw new Error('it has no plugin');
  const own = cluster['certificate-authority'] !== '' || cluster['certificate-authority-data'] !== '';
  const clusterInfo = async () => ({
    // Where it has a path Go leaves out what comes behind it.
    server: cluster.server.replace(/^(\w+:\/\/[^/]+\/[^?#]+)[?#].*$/, '$1'),
    ...Object.fromEntries(INFO.filter((field) => cluster[field]).map((field) => [field, cluster[field]])),
    ...(own && { 'certificate-authority-data': Buffer.from(await authority()).toString('base64') }),
    config: cluster.extensions.get(EXEC_EXTENSION) ?? null,
  });
  const key = JSON.stringify([entry, cluster.server, [...cluster.extensions]]);
  const plugin = plugins.get(key) ?? execPlugin({ ...maker, entry, clusterInfo });
  plugins.set(key, plugin);
  return plugin;
}

const INFO = ['tls-server-name', 'insecure-skip-tls-verify', 'proxy-url', 'disable-compression'] as const;

function oidcOf({ userName, user, userFile }: Selected, { env, tell, read }: Maker): (clock: Clock) => Promise<string> {
  const provider = user['auth-provider'];
  if (!provider) throw new Error('it has no auth-provider');
  return oidcTokens(provider.config, {
    env,
    tell,
    async reread() {
      const now = await read().catch(() => undefined);
      return now && !('nothing' in now) && now.userName === userName ? now.user['auth-provider']?.config : undefined;
    },
    async persist(tokens) {
      if (userFile === undefined) return;
      const { writeTokens } = await import('./oidc-file.ts');
      await writeTokens(userFile, userName, tokens);
    },
    async authorities(config) {
      const data = Buffer.from(config.get('idp-certificate-authority-data') ?? '', 'base64').toString();
      const file = config.get('idp-certificate-authority') ?? '';
      return await (dataOrFile(data, file, 'idp-certificate-authority')?.() ?? systemAuthorities(env));
    },
  });
}
