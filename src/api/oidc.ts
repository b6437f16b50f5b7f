/**
 * ID tokens of the auth-provider `oidc`, refreshed as kubectl refreshes them: with the refresh token of the kubeconfig, and written back into it, since
 * many issuers take each refresh token once.
 */
import type { Clock } from '../clock.ts';
import { type Cluster, type ClusterOptions, Unusable } from './cluster.ts';
import { connect, type Reply } from './http.ts';
import { claimsOf } from './jwt.ts';
import { proxyFor } from './proxy.ts';

/** Of the kubeconfig: what the provider is configured with, and the tokens. */
export type OidcConfig = ReadonlyMap<string, string>;

export interface OidcOptions {
  /** As it stands in the kubeconfig now. Undefined if that can't be read any more. */
  reread(): Promise<OidcConfig | undefined>;
  /** Rejects with a sentence. */
  persist(tokens: { 'id-token': string; 'refresh-token': string }): Promise<void>;
  /** PEM, for the issuer. */
  authorities(config: OidcConfig): Promise<string>;
  env: ClusterOptions['env'];
  tell: ClusterOptions['tell'];
}

/** Tokens that end so soon are refreshed: clocks differ, requests take time. */
const LEEWAY_MS = 10_000;
const TIMEOUT_MS = 20_000;

/** Rejects with a sentence. */
export function oidcTokens(given: OidcConfig, options: OidcOptions): (clock: Clock) => Promise<string> {
  let config = given;
  let refreshing: Promise<string> | undefined;
  const refreshed = async (clock: Clock): Promise<string> => {
    // kubectl, or another guard, may have done it.
    config = (await options.reread()) ?? config;
    if (isGood(config, clock)) return idTokenOf(config);
    const tokens = await refresh(config, options, clock);
    config = new Map([...config, ...Object.entries(tokens)]);
    await options
      .persist(tokens)
      .catch((error) => options.tell?.(`${(error as Error).message}; kubectl may have to log in again`));
    return tokens['id-token'];
  };
  return async (clock) => {
    if (isGood(config, clock)) return idTokenOf(config);
    refreshing ??= refreshed(clock).finally(() => {
      refreshing = undefined;
    });
    return await refreshing;
  };
}

const idTokenOf = (config: OidcConfig): string => config.get('id-token') ?? '';

function isGood(config: OidcConfig, clock: Clock): boolean {
  const { exp } = claimsOf<{ exp?: number }>(idTokenOf(config)) ?? {};
  return typeof exp === 'number' && clock.wall().getTime() + LEEWAY_MS < exp * 1000;
}

async function refresh(
  config: OidcConfig,
  options: OidcOptions,
  clock: Clock,
): Promise<Record<'id-token' | 'refresh-token', string>> {
  const token = config.get('refresh-token') ?? '';
  if (token === '')
    throw new Unusable(
      'oidc: the id-token of the kubeconfig has expired, and there is no refresh-token to get another: log in again',
    );
  const issuer = (config.get('idp-issuer-url') ?? '').replace(/\/$/, '');
  const tls = { ca: await options.authorities(config), rejectUnauthorized: true };
  const ask = async (url: string, headers: Record<string, string>, form?: Record<string, string>): Promise<Reply> => {
    const { origin, pathname, search } = new URL(url);
    const credentials: Cluster['credentials'] = async () => ({ headers, tls, proxy: proxyFor(origin, options.env) });
    const connection = connect({ server: origin, credentials }, clock, 'k8s-lease-lock');
    const body = form && new URLSearchParams(form).toString();
    const request = {
      method: form ? 'POST' : 'GET',
      path: pathname + search,
      body,
      contentType: FORM,
      timeoutMs: TIMEOUT_MS,
    } as const;
    return await connection.send(request).finally(() => connection.close());
  };
  const { token_endpoint: endpoint } = jsonOf(await ask(`${issuer}/.well-known/openid-configuration`, {}), issuer);
  if (typeof endpoint !== 'string' || !URL.canParse(endpoint))
    throw new Unusable(`oidc: ${issuer} names no token_endpoint: check idp-issuer-url in the kubeconfig`);
  const [id, secret] = [config.get('client-id') ?? '', config.get('client-secret') ?? ''];
  const form = { grant_type: 'refresh_token', refresh_token: token };
  const basic = `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
  let answer = await ask(endpoint, { authorization: basic }, form);
  // Some issuers want them in the form, as Go tries, too.
  if (answer.kind === 'reply' && answer.status !== 200)
    answer = await ask(endpoint, {}, { ...form, client_id: id, ...(secret !== '' && { client_secret: secret }) });
  const { id_token: idToken, refresh_token: next } = jsonOf(answer, endpoint);
  if (typeof idToken !== 'string')
    throw new Unusable(`oidc: ${endpoint} answered without an id_token: log in again, with the scope "openid"`);
  return { 'id-token': idToken, 'refresh-token': typeof next === 'string' && next !== '' ? next : token };
}

const FORM = 'application/x-www-form-urlencoded';

function jsonOf(reply: Reply, from: string): Record<string, unknown> {
  if (reply.kind === 'broken') throw new (reply.unusable ? Unusable : Error)(`oidc: ${from}: ${reply.message}`);
  let json: unknown;
  try {
    json = JSON.parse(reply.body);
  } catch {
    // Told by the status.
  }
  const answer = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
  if (reply.status === 200) return answer;
  const why = [answer.error, answer.error_description].filter((part) => typeof part === 'string').join(': ');
  const message = `oidc: ${from} answered ${reply.status}${why && ` (${why})`}`;
  throw reply.status >= 500 || reply.status === 429 ? new Error(message) : new Unusable(`${message}: log in again`);
}
