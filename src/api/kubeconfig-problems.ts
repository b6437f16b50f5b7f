/** What kubectl refuses in a kubeconfig that it can read, each as a sentence with its fix. Files are looked at elsewhere. */
import { documentAt } from '../documents.ts';
import type { ClusterEntry, ExecEntry, Selected, UserEntry } from './clientcmd.ts';

const EXEC_VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];
const INTERACTIVE_MODES = ['Never', 'IfAvailable', 'Always'];
const PROXY_SCHEMES = ['http:', 'https:', 'socks5:'];

/** `secure`: whether the server is reached over TLS. Without it kubectl sends no credentials, and does not look at them. */
export function problemOf({ clusterName, cluster, userName, user }: Selected, secure: boolean): string | undefined {
  const ofCluster = clusterProblem(cluster, secure);
  if (ofCluster !== undefined) return `cluster "${clusterName}": ${ofCluster}`;
  const ofUser = userProblem(user) ?? (secure ? providerProblem(user) : undefined);
  return ofUser === undefined ? undefined : `user "${userName}": ${ofUser}`;
}

function clusterProblem(cluster: ClusterEntry, secure: boolean): string | undefined {
  const proxy = cluster['proxy-url'];
  if (proxy !== '' && !(URL.canParse(proxy) && PROXY_SCHEMES.includes(new URL(proxy).protocol)))
    return 'invalid proxy-url: write it as http://host:port, https://host:port or socks5://host:port';
  const both = bothOf(cluster, 'certificate-authority');
  if (both !== undefined) return both;
  if (
    secure &&
    cluster['insecure-skip-tls-verify'] &&
    (cluster['certificate-authority'] || cluster['certificate-authority-data'])
  )
    return 'insecure-skip-tls-verify and a certificate-authority exclude each other: remove one of them';
  return undefined;
}

function bothOf<Name extends string>(entry: Record<Name | `${Name}-data`, string>, name: Name): string | undefined {
  return entry[name] !== '' && entry[`${name}-data`] !== ''
    ? `${name} and ${name}-data are both set: remove one of them`
    : undefined;
}

function userProblem(user: UserEntry): string | undefined {
  if (user.token !== '' && (user.username !== '' || user.password !== ''))
    return 'token and username or password are both set: remove one of them';
  if (user['client-certificate'] || user['client-certificate-data']) {
    const both = bothOf(user, 'client-certificate') ?? bothOf(user, 'client-key');
    if (both !== undefined) return both;
    if (!user['client-key'] && !user['client-key-data'])
      return 'a client-certificate needs its key: add client-key or client-key-data';
  }
  if (user.as === '' && (user['as-uid'] !== '' || user['as-groups'].length > 0 || user['as-user-extra'].size > 0))
    return 'as-uid, as-groups and as-user-extra need a user: add as';
  return user.exec && execProblem(user.exec, user['auth-provider'] !== undefined);
}

function execProblem({ command, apiVersion, env, interactiveMode }: ExecEntry, provider: boolean): string | undefined {
  if (provider) return 'exec and auth-provider are both set: remove auth-provider';
  if (command === '') return 'exec.command is missing: name the program that prints the credentials';
  if (apiVersion === '')
    return `exec.apiVersion is missing: set it to ${EXEC_VERSIONS[0]}, or as the plugin's documentation says`;
  if (env.some(({ name }) => name === '')) return 'exec.env has a variable without a name: name it, or remove it';
  // v1beta1 had none.
  if (interactiveMode === '' && !/\/v1(?:alpha1|beta1)$/.test(apiVersion))
    return `exec.interactiveMode is missing: set it to ${INTERACTIVE_MODES.join(', ')}`;
  if (interactiveMode !== '' && !INTERACTIVE_MODES.includes(interactiveMode))
    return `invalid exec.interactiveMode "${interactiveMode}": use ${INTERACTIVE_MODES.join(', ')}`;
  return undefined;
}

/** Providers that were once part of kubectl, and what to use instead. */
const REMOVED: Record<string, string> = {
  gcp: 'gke-gcloud-auth-plugin, and run "gcloud container clusters get-credentials" again',
  azure: 'kubelogin, and run "kubelogin convert-kubeconfig"',
};

function providerProblem({ exec, 'auth-provider': provider }: UserEntry): string | undefined {
  if (exec && !EXEC_VERSIONS.includes(exec.apiVersion))
    return `exec.apiVersion "${exec.apiVersion}" is not supported: update the plugin, and use ${EXEC_VERSIONS[0]}`;
  if (!provider) return undefined;
  const { name, config } = provider;
  const instead = REMOVED[name];
  if (instead !== undefined) return `the auth-provider "${name}" was removed from Kubernetes: install ${instead}`;
  if (name !== 'oidc')
    return `unknown auth-provider "${name}": use a plugin (exec), a token or a certificate (${documentAt('clusters.md')})`;
  const missing = ['idp-issuer-url', 'client-id'].find((field) => !config.get(field));
  return missing === undefined ? undefined : `the auth-provider "oidc" needs ${missing}: add it to its config`;
}
