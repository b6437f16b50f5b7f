/**
 * Whether a lock can work from here: which cluster, who the caller is to it, each right on the Lease, the Lease itself, the clocks, the policy. It only
 * asks; what it cannot find out, since that needs rights of its own, is said to be unknown.
 */
import type { Cluster } from '../../src/api/cluster.ts';
import { connect, type Reply } from '../../src/api/http.ts';
import { leaseReader } from '../../src/api/lease-list.ts';
import type { UserInfo } from '../../src/api/self-subject-review.ts';
import { reviewSelf } from '../../src/api/self-subject-review.ts';
import type { Clock } from '../../src/clock.ts';
import { documentAt } from '../../src/documents.ts';
import { formatDuration } from '../../src/durations.ts';
import { describeLease } from '../../src/names.ts';
import { parseLease } from '../../src/protocol/document.ts';
import { USER_AGENT } from '../../src/version.ts';

export interface Finding {
  check: string;
  result: 'ok' | 'problem' | 'warning' | 'unknown';
  message: string;
  fix?: string;
  /** What kind of problem, for the exit code. */
  kind?: 'unreachable' | 'refused';
}

export interface Examined {
  cluster: Cluster;
  clock: Clock;
  namespace: string;
  /** Undefined: every lock of the namespace. */
  name: string | undefined;
}

const TIMEOUT_MS = 5000;
/** Below it lie networks, and a `Date` header that has whole seconds. */
const CLOCK_MS = 2000;
/** What a participant does with its Lease (docs/rbac.md). */
const NEEDED = ['get', 'watch', 'create', 'update'] as const;

export async function examine(examined: Examined): Promise<Finding[]> {
  const { cluster, clock } = examined;
  const connection = connect(cluster, clock, USER_AGENT);
  const get = (path: string) => connection.send({ method: 'GET', path, timeoutMs: TIMEOUT_MS });
  const post = (path: string, body: object) =>
    connection.send({ method: 'POST', path, body: JSON.stringify(body), timeoutMs: TIMEOUT_MS });
  try {
    const version = await get('/version');
    const server = serverFinding(cluster, version);
    const found = [{ check: 'cluster', result: 'ok' as const, message: `${cluster.server}, from ${cluster.source}` }, server];
    if (server.result === 'problem') return found;
    const user = await reviewSelf(cluster, clock, TIMEOUT_MS);
    return [
      ...found,
      await proxyFinding(cluster, clock),
      clockFinding(clock, version),
      callerFinding(user),
      ...(await rightsFindings(examined, user, (body) => post(ACCESS_REVIEWS, body))),
      await leaseFinding(examined),
      policyFinding(await get(POLICY_BINDING)),
    ];
  } finally {
    connection.close();
  }
}

const ACCESS_REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const POLICY_BINDING = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/lease-lock-holders';

function serverFinding({ server }: Cluster, reply: Reply): Finding {
  if (reply.kind === 'broken')
    return {
      check: 'server',
      result: 'problem',
      ...(!reply.unusable && { kind: 'unreachable' }),
      message: `no answer from ${server}: ${reply.message}`,
      fix: `check the address, the network and the proxy (${documentAt('clusters.md')})`,
    };
  if (reply.status === 401)
    return {
      check: 'server',
      result: 'problem',
      kind: 'refused',
      message: 'the API server does not accept the credentials (401)',
      fix: 'get new ones: the token may have expired, or be for another cluster',
    };
  const { gitVersion } = jsonOf(reply) as { gitVersion?: string };
  return { check: 'server', result: 'ok', message: gitVersion ? `Kubernetes ${gitVersion}` : `answers ${reply.status}` };
}

async function proxyFinding(cluster: Cluster, clock: Clock): Promise<Finding> {
  const { proxy } = await cluster.credentials({ clock, signal: new AbortController().signal });
  // Without its credentials.
  return { check: 'proxy', result: 'ok', message: proxy ? `through ${proxy.replace(/\/\/[^@/]*@/, '//')}` : 'none' };
}

function clockFinding(clock: Clock, reply: Reply): Finding {
  const date = reply.kind === 'reply' ? Date.parse(reply.headers.date ?? '') : Number.NaN;
  if (Number.isNaN(date)) return { check: 'clock', result: 'unknown', message: 'the answer has no date' };
  const apartMs = Math.abs(clock.wall().getTime() - date);
  if (apartMs <= CLOCK_MS) return { check: 'clock', result: 'ok', message: 'agrees with that of the API server' };
  return {
    check: 'clock',
    result: 'warning',
    message: `${formatDuration(apartMs)} apart from that of the API server; only times that are shown to people go wrong by it`,
    fix: 'set the clock of this machine',
  };
}

function callerFinding(user: UserInfo | undefined): Finding {
  if (user?.username) return { check: 'caller', result: 'ok', message: user.username };
  return { check: 'caller', result: 'unknown', message: 'the API server does not say who the caller is' };
}

async function rightsFindings(
  { namespace, name }: Examined,
  user: UserInfo | undefined,
  review: (body: object) => Promise<Reply>,
): Promise<Finding[]> {
  const where = name === undefined ? `all Leases in namespace ${namespace}` : describeLease({ namespace, name });
  const allowed = async (verb: string) => {
    const attributes = { group: 'coordination.k8s.io', resource: 'leases', verb, namespace, ...(name && { name }) };
    const spec = { resourceAttributes: attributes };
    const reply = await review({ apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec });
    const { status } = jsonOf(reply) as { status?: { allowed?: boolean } };
    return { verb, allowed: status?.allowed };
  };
  const needed = await Promise.all(NEEDED.map(allowed));
  if (needed.every((each) => each.allowed === undefined))
    return [{ check: 'rights', result: 'unknown', message: 'the API server does not say: it may know no users' }];
  const missing = needed.filter((each) => each.allowed !== true).map(({ verb }) => verb);
  const force = await allowed('force-unlock');
  const breaks: Finding = {
    check: 'unlock',
    result: 'ok',
    message: `${force.allowed ? 'may' : 'may not'} break a lock where the policy against theft applies (force-unlock)`,
  };
  if (missing.length === 0) return [{ check: 'rights', result: 'ok', message: `${NEEDED.join(', ')} on ${where}` }, breaks];
  return [
    {
      check: 'rights',
      result: 'problem',
      kind: 'refused',
      message: `not allowed: ${missing.join(', ')} on ${where}`,
      fix: `k8s-lease-lock rbac --name ${name ?? 'NAME'} -n ${namespace} --for ${subjectOf(user)} | kubectl apply -f -`,
    },
    breaks,
  ];
}

/** As `rbac --for` takes it. */
function subjectOf({ username = 'NAME' }: UserInfo = {}): string {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):(.+)$/.exec(username) ?? [];
  return name === undefined ? `user:${username}` : `serviceaccount:${namespace}/${name}`;
}

async function leaseFinding({ cluster, clock, namespace, name }: Examined): Promise<Finding> {
  const check = 'lease';
  if (name === undefined) return { check, result: 'unknown', message: 'name a lock to have its Lease examined' };
  const reader = leaseReader(cluster, clock);
  const seen = await reader.read(namespace, name).finally(() => reader.close());
  const subject = describeLease({ namespace, name });
  if (seen.kind === 'absent')
    return { check, result: 'ok', message: `${subject} does not exist yet: the first that asks creates it` };
  if (seen.kind !== 'leases') return { check, result: 'problem', kind: 'refused', message: seen.message };
  const [lease] = seen.leases;
  const parsed = lease && parseLease(lease);
  if (parsed?.kind !== 'state') return { check, result: 'problem', message: parsed?.message ?? 'no Lease' };
  if (parsed.state.coordinated !== undefined)
    return {
      check,
      result: 'problem',
      message: `${subject} belongs to the API server's own leader election (${parsed.state.coordinated})`,
      fix: 'use another name',
    };
  if ((lease?.metadata.managedFields ?? []).length === 0)
    return {
      check,
      result: 'warning',
      message: `the fields of ${subject} are not tracked: dead holders are not recognised by the API server's clock`,
      fix: 'the next write of a holder starts it; with the policy against theft, delete the Lease while nobody holds it',
    };
  return { check, result: 'ok', message: `${subject} is a lock, and its fields are tracked` };
}

function policyFinding(reply: Reply): Finding {
  const check = 'policy';
  if (reply.kind === 'reply' && reply.status === 200)
    return { check, result: 'ok', message: `the policy against theft is installed (${documentAt('theft.md')})` };
  if (reply.kind === 'reply' && reply.status === 404)
    return {
      check,
      result: 'ok',
      message: `no policy against theft: whoever may write the Lease may take the lock (${documentAt('theft.md')})`,
    };
  return { check, result: 'unknown', message: 'the caller may not see whether there is a policy against theft' };
}

function jsonOf(reply: Reply): object {
  try {
    return reply.kind === 'reply' ? ((JSON.parse(reply.body) as object | null) ?? {}) : {};
  } catch {
    return {}; // No JSON says nothing.
  }
}
