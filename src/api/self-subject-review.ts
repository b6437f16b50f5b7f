/** Who the API server takes a caller for. Anybody may ask that; an answer without that information counts as no answer. */
import type { Clock } from '../clock.ts';
import { USER_AGENT } from '../version.ts';
import type { Cluster } from './cluster.ts';
import { connect } from './http.ts';

/** What a SelfSubjectReview answers. */
export interface UserInfo {
  username?: string;
  extra?: Record<string, string[]>;
}

/** Who asks, for people: as the API server knows the caller; else the user and the host. */
export async function nameCaller(
  cluster: Cluster,
  clock: Clock,
  timeoutMs: number,
  { host, user }: { host: string; user: string | undefined },
): Promise<string> {
  const { username } = (await reviewSelf(cluster, clock, timeoutMs)) ?? {};
  return username ?? [user, host].filter(Boolean).join('@');
}

const PATH = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const BODY = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });

/** Undefined if the API server does not answer in time, or does not know the question. */
export async function reviewSelf(cluster: Cluster, clock: Clock, timeoutMs: number): Promise<UserInfo | undefined> {
  const connection = connect(cluster, clock, USER_AGENT);
  try {
    const reply = await connection.send({ method: 'POST', path: PATH, body: BODY, timeoutMs });
    if (reply.kind === 'broken' || reply.status !== 201) return undefined;
    const { status } = JSON.parse(reply.body) as { status?: { userInfo?: UserInfo } };
    return status?.userInfo;
  } catch {
    return undefined; // No JSON.
  } finally {
    connection.close();
  }
}
