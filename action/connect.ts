/**
 * From the inputs to a cluster, and to a participant for one look or one change. An OIDC token is requested again before it expires, and after a 401.
 * The API server gives no reason for refusing one, so its claims are put beside what can be wrong.
 */
import type { Cluster, ClusterOptions, ClusterResult } from '../src/api/cluster.ts';
import { findCluster } from '../src/api/find-cluster.ts';
import { claimsOf } from '../src/api/jwt.ts';
import { type Clock, later, type Monotonic, systemClock } from '../src/clock.ts';
import { documentAt } from '../src/documents.ts';
import { type Identity, newParticipant, type Participant } from '../src/lock/index.ts';
import type { LockName } from '../src/names.ts';
import { aboutOf } from './github-context.ts';
import type { Access, Inputs } from './inputs.ts';

export interface Found {
  cluster: ClusterResult;
  /** What to add to a message about a 401. */
  explain401(): string;
}

interface Surroundings extends Pick<ClusterOptions, 'tell'> {
  clock: Clock;
  env: NodeJS.ProcessEnv;
}

export async function findClusterFor(access: Access, { clock, env, tell }: Surroundings): Promise<Found> {
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
    env,
    tell,
  });
  return { cluster, explain401: () => (oidc ? explain(oidc.last()) : '') };
}

export type Connected =
  /** One for each lock. */
  | {
      kind: 'participants';
      participants: readonly [Participant, ...Participant[]];
      cluster: Cluster;
      clock: Clock;
      explain401(): string;
    }
  | { kind: 'refused'; message: string };

/** Participants in this process, without a keeper. */
export async function connect(inputs: Inputs, identity: Identity, env: NodeJS.ProcessEnv): Promise<Connected> {
  const clock = systemClock();
  const { cluster, explain401 } = await findClusterFor(inputs.access, { clock, env });
  if (cluster.kind === 'refused') return cluster;
  const participants = participantsFor(inputs, { cluster: cluster.cluster, clock, identity, about: aboutOf(inputs, env) });
  return { kind: 'participants', participants, cluster: cluster.cluster, clock, explain401 };
}

type Who = Pick<Parameters<typeof newParticipant>[0], 'cluster' | 'clock' | 'identity' | 'about'>;

/** One for each lock, with one identity. */
export function participantsFor(inputs: Inputs, who: Who): [Participant, ...Participant[]] {
  const of = ({ namespace = inputs.namespace, name }: LockName) =>
    newParticipant({ ...inputs, ...who, namespace, name, createIfAbsent: true, legacyExpiry: false });
  const [first = { namespace: undefined, name: '' }, ...others] = inputs.locks;
  return [of(first), ...others.map(of)];
}

/** Which lock somebody takes part in, once its namespace is known. */
export const lockOf = ({ me: { namespace, name } }: Participant) => ({ namespace, name });

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
    goodUntil = usableUntil(askedAt, claimsOf<Claims>(last) ?? {});
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

function explain(token: string): string {
  const { aud, iss, sub, repository_owner, exp } = claimsOf<Claims>(token) ?? {};
  const expires = exp === undefined ? 'never' : new Date(exp * 1000).toISOString();
  return (
    `. The API server gives no reason; compare its authentication configuration with what this OIDC token claims: ` +
    `audience ${[aud].flat().join(', ')} (oidc-audience), issuer ${iss}, owner ${repository_owner}, subject ${sub}, expiry ${expires} ` +
    `(${documentAt('action.md#oidc')})`
  );
}
