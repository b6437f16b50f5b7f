/**
 * From the inputs to a cluster. An OIDC token is asked for again before it expires, and after a 401. A refused one gets no reason from the
 * API server, so that its claims are read here and put beside what can be wrong.
 */

import { type ClusterResult, findCluster } from '../src/api/cluster.ts';
import type { Clock } from '../src/clock.ts';
import { later, type Monotonic } from '../src/clock.ts';
import type { Access } from './inputs.ts';

export interface Gate {
  cluster: ClusterResult;
  /** What to say of a 401, beside that it was one. */
  explain401(): string;
}

export async function openGate(access: Access, clock: Clock): Promise<Gate> {
  const { kubeconfig, kubeconfigText, context, server, certificateAuthorityData, token, oidcAudience } = access;
  const oidc = oidcAudience === undefined ? undefined : oidcTokens(oidcAudience, clock);
  const given = token === undefined ? undefined : async () => token;
  const cluster = await findCluster({
    kubeconfig,
    kubeconfigText,
    context,
    server,
    certificateAuthorityData,
    token: oidc?.token ?? given,
    env: process.env,
  });
  return { cluster, explain401: () => (oidc ? explain(oidc.last()) : '') };
}

/** A fifth of a token's life is left for the requests made with it. GitHub's live for five minutes. */
const USABLE_PART = 0.8;

function oidcTokens(audience: string, clock: Clock) {
  let last = '';
  let goodUntil = clock.now();
  const token = async (renew: boolean): Promise<string> => {
    if (last !== '' && !renew && clock.now() < goodUntil) return last;
    const askedAt = clock.now();
    const { getIDToken } = await import('@actions/core');
    last = await getIDToken(audience);
    goodUntil = usableUntil(askedAt, claimsOf(last));
    return last;
  };
  return { token, last: () => last };
}

/** By its own span of life: whether this machine's clock agrees with the issuer's doesn't matter. */
function usableUntil(askedAt: Monotonic, { iat = 0, exp = 0 }: Claims): Monotonic {
  return later(askedAt, Math.max(0, exp - iat) * 1000 * USABLE_PART);
}

interface Claims {
  aud?: string | string[];
  iss?: string;
  sub?: string;
  repository_owner?: string;
  exp?: number;
  iat?: number;
}

function claimsOf(token: string): Claims {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Claims;
  } catch {
    return {}; // The API server will not like it either, and says so.
  }
}

function explain(token: string): string {
  const { aud, iss, sub, repository_owner, exp } = claimsOf(token);
  const expires = exp === undefined ? 'never' : new Date(exp * 1000).toISOString();
  return (
    `. The API server gives no reason; compare its authentication configuration with what this OIDC token claims: ` +
    `audience ${[aud].flat().join(', ')} (oidc-audience), issuer ${iss}, owner ${repository_owner}, subject ${sub}, expiry ${expires} ` +
    '(docs/action.md#oidc)'
  );
}
