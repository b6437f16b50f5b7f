/** One API server and the credentials for it: types, for those who find one (find-cluster.ts, kubeconfig.ts) and those who use it. */
import type { Clock } from '../clock.ts';

export interface Credentials {
  headers: Record<string, string | string[]>;
  tls: TlsOptions;
  /** URL of the proxy to go through. */
  proxy: string | undefined;
}

export interface TlsOptions {
  /** PEM, as the others. */
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  servername?: string | undefined;
  rejectUnauthorized: boolean;
}

export interface CredentialsRequest {
  /** Those that were answered by 401: what was cached is no longer good. */
  refused?: Credentials | undefined;
  clock: Clock;
  signal: AbortSignal;
}

/** What can't work, however often it is tried: a plugin that is not installed, a certificate of nobody known. The message says what to change. */
export class Unusable extends Error {}

export interface Cluster {
  /** The API server's URL, without a slash at the end. */
  server: string;
  /** Where it was found, for messages. */
  source: string;
  /** What a lock without a namespace means: that of the context or of the Pod, else `default`. */
  namespace: string;
  /** For one request. Rejects with a sentence, Unusable or not. */
  credentials(request: CredentialsRequest): Promise<Credentials>;
  /**
   * The bearer token, where it is a Pod's own: it names the Pod. Whether it is any good is for the API server to decide. Undefined for all
   * other credentials. Rejects with a sentence.
   */
  podToken(): Promise<string | undefined>;
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
  /** Whether standard input is a terminal that a credential plugin may use, the first time that it runs. */
  terminal?: boolean | undefined;
  /** Told what a person should see while this waits: the words of credential plugins, line by line. */
  tell?: ((line: string) => void) | undefined;
}

export type ClusterResult =
  | { kind: 'cluster'; cluster: Cluster }
  /** `absent`: nothing names a cluster. */
  | { kind: 'refused'; message: string; absent?: true };

/** Where nothing names a namespace. */
export const DEFAULT_NAMESPACE = 'default';
