/** What an answer means, as a table: status, headers and body of a reply, and the tagged value that comes of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, answerOf } from '../../src/api/answers.ts';
import type { Reply } from '../../src/api/http.ts';

const lease = { kind: 'Lease', metadata: { name: 'deploy', namespace: 'team' } };
const status = (message: string, details?: object) => ({ kind: 'Status', message, ...(details && { details }) });

function reply(code: number, body: unknown, headers: Record<string, string> = {}): Reply {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { kind: 'reply', status: code, headers: { 'content-type': 'application/json', ...headers }, body: text };
}

type Verb = 'read' | 'create' | 'update' | 'watch';
const POLICY =
  "leases.coordination.k8s.io \"deploy\" is forbidden: ValidatingAdmissionPolicy 'lease-lock-holders' with binding 'x' denied request: ";
const TABLE: readonly [what: string, verb: Verb, reply: Reply, answer: Partial<Record<string, unknown>>, says?: RegExp][] = [
  ['a Lease', 'read', reply(200, lease), { kind: 'lease' }],
  ['a created Lease', 'create', reply(201, lease), { kind: 'lease' }],
  [
    '200 with something else',
    'update',
    reply(200, { kind: 'Pod', metadata: {} }),
    { kind: 'failed', applied: 'unknown' },
    /instead of a Lease/,
  ],
  [
    'a login page',
    'read',
    reply(200, '<html>Sign in</html>', { 'content-type': 'text/html' }),
    { kind: 'failed', applied: 'unknown' },
    /text\/html \("<html>Sign in/,
  ],
  [
    'a proxy that refuses',
    'update',
    reply(403, 'Forbidden by proxy', { 'content-type': 'text/plain' }),
    { kind: 'failed', applied: 'unknown' },
    /is https:\/\/api a Kubernetes API server/,
  ],
  [
    '401',
    'read',
    reply(401, status('Unauthorized')),
    { kind: 'refused', reason: 'credentials', status: 401 },
    /does not accept the credentials/,
  ],
  [
    '403 by RBAC',
    'update',
    reply(403, status('leases "deploy" is forbidden: User "x" cannot update')),
    { kind: 'refused', reason: 'rights', status: 403 },
    /Allow get, watch, create and update .* namespace team: k8s-lease-lock rbac \S+ deploy -n team --for user:x .*\(\S+docs\/rbac\.md\)/,
  ],
  [
    '403 to a service account',
    'create',
    reply(403, status('leases "deploy" is forbidden: User "system:serviceaccount:team:worker" cannot create resource "leases"')),
    { kind: 'refused', reason: 'rights', status: 403 },
    /rbac --name deploy -n team --for serviceaccount:team\/worker \| kubectl apply -f -/,
  ],
  [
    '403 to a user whose name a shell would read otherwise',
    'read',
    reply(403, status('leases "deploy" is forbidden: User "o\'brien & co" cannot get resource "leases"')),
    { kind: 'refused', reason: 'rights', status: 403 },
    /--for 'user:o'\\''brien & co'/,
  ],
  [
    '403 without credentials',
    'read',
    reply(403, status('leases "deploy" is forbidden: User "system:anonymous" cannot get resource "leases"')),
    { kind: 'refused', reason: 'rights', status: 403 },
    /The request had no credentials, or none that https:\/\/api knows/,
  ],
  [
    '403 that does not say why, as a server 1.29 does to a create',
    'create',
    reply(403, status('leases.coordination.k8s.io "deploy" is forbidden: .')),
    { kind: 'refused', reason: 'rights', status: 403 },
    /Allow get, watch, create and update .* --for WHOM/,
  ],
  [
    '403 by a quota',
    'create',
    reply(403, status('leases "deploy" is forbidden: exceeded quota: few, requested: count/leases=1, used: count/leases=2')),
    { kind: 'refused', reason: 'quota', status: 403 },
    /Raise the ResourceQuota few in namespace team, or delete Leases/,
  ],
  [
    '403 of a namespace that is being deleted',
    'create',
    reply(
      403,
      status('leases "deploy" is forbidden: unable to create new content in namespace team because it is being terminated'),
    ),
    { kind: 'refused', reason: 'namespace', status: 403 },
    /The namespace team is being deleted: use another, or create it again$/,
  ],
  [
    '409 by a webhook, which no other try would change',
    'update',
    reply(409, status('admission webhook "locks.example.com" denied the request: not now')),
    { kind: 'refused', reason: 'policy', status: 409 },
    /409: admission webhook "locks.example.com" denied the request: not now\. More rights do not help/,
  ],
  [
    '404 by a webhook',
    'update',
    reply(404, status('admission webhook "locks.example.com" denied the request: no such team')),
    { kind: 'refused', reason: 'policy', status: 404 },
  ],
  [
    '500: a webhook that does not answer',
    'update',
    reply(500, status('Internal error occurred: failed calling webhook "locks.example.com": context deadline exceeded')),
    { kind: 'failed', applied: 'unknown' },
    /failed calling webhook "locks\.example\.com"/,
  ],
  [
    '403 by the policy: somebody else’s id',
    'update',
    reply(403, status(`${POLICY}the holder x is not yours: it must be user/y`)),
    { kind: 'refused', reason: 'not-yours', status: 403 },
    /docs\/theft\.md/,
  ],
  [
    '403 by the policy: too early',
    'update',
    reply(403, status(`${POLICY}alice holds it and has not expired: only its holder may write`)),
    { kind: 'failed', applied: 'no', retryAfterMs: 1000 },
  ],
  [
    '403 by another policy',
    'update',
    reply(403, status(`${POLICY}no locks on Fridays`)),
    { kind: 'refused', reason: 'policy', status: 403 },
    /no locks on Fridays/,
  ],
  ['404 of the Lease', 'read', reply(404, status('not found', { kind: 'leases', name: 'deploy' })), { kind: 'absent' }],
  [
    '404 of the namespace',
    'create',
    reply(404, status('not found', { kind: 'namespaces', name: 'team' })),
    { kind: 'refused', reason: 'namespace', status: 404 },
    /namespace "team" does not exist/,
  ],
  [
    '404 of the API',
    'read',
    reply(404, status('the server could not find the requested resource')),
    { kind: 'refused', reason: 'invalid', status: 404 },
    /does not serve coordination\.k8s\.io\/v1/,
  ],
  ['409', 'update', reply(409, status('the object has been modified')), { kind: 'conflict' }],
  [
    '422 to a create: it exists',
    'create',
    reply(422, status('invalid', { causes: [{ field: 'metadata.resourceVersion' }] })),
    { kind: 'conflict' },
  ],
  [
    '422 to an update: a webhook',
    'update',
    reply(422, status('denied by webhook')),
    { kind: 'refused', reason: 'invalid', status: 422 },
    /denied by webhook/,
  ],
  [
    '429 with Retry-After',
    'update',
    reply(429, status('too many requests'), { 'retry-after': '2' }),
    { kind: 'failed', applied: 'no', retryAfterMs: 2000, comeBack: true },
  ],
  [
    '429 that asks for an hour',
    'update',
    reply(429, status('too many requests'), { 'retry-after': '3600' }),
    { kind: 'failed', applied: 'no', retryAfterMs: 30_000 },
  ],
  [
    '503 of a balancer',
    'update',
    reply(503, 'no backend', { 'content-type': 'text/plain' }),
    { kind: 'failed', applied: 'unknown', comeBack: undefined },
    /503: text\/plain \("no backend"\)/,
  ],
  ['503 of an API server', 'read', reply(503, status('not ready')), { kind: 'failed', applied: 'unknown', comeBack: true }],
  [
    '503 that says when to come back',
    'read',
    reply(503, 'shutting down', { 'content-type': 'text/plain', 'retry-after': '5' }),
    { kind: 'failed', applied: 'unknown', retryAfterMs: 5000, comeBack: true },
  ],
  [
    '504 with details',
    'update',
    reply(504, status('timeout', { retryAfterSeconds: 1 })),
    { kind: 'failed', applied: 'unknown', retryAfterMs: 1000 },
  ],
  [
    'a status that nobody expects',
    'update',
    reply(418, status('teapot')),
    { kind: 'refused', reason: 'invalid', status: 418 },
    /answered 418: teapot/,
  ],
  [
    'no answer, not sent',
    'update',
    { kind: 'broken', message: 'connection refused', sent: false },
    { kind: 'failed', applied: 'no' },
    /^updating Lease team\/deploy: connection refused$/,
  ],
  ['no answer, perhaps done', 'update', { kind: 'broken', message: 'reset', sent: true }, { kind: 'failed', applied: 'unknown' }],
];

for (const [what, verb, given, expected, says] of TABLE) {
  test(`${what}: ${Object.values(expected).join(' ')}`, () => {
    const answer: Answer & { message?: string } = answerOf(given, {
      verb,
      namespace: 'team',
      name: 'deploy',
      server: 'https://api',
    });
    const { message = '', ...rest } = answer;
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((key) => [key, (rest as Record<string, unknown>)[key]])),
      expected,
    );
    if (says) assert.match(message, says);
  });
}
