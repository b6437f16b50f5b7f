/** What an API server says when it does not serve a request, and what something in between says in its place. */
import type { Reply } from '../../src/api/http.ts';
import type { Fate } from './network.ts';
import { EPOCH_MS } from './process.ts';
import type { Random } from './random.ts';

const status = (message: string, details: object = {}): string => JSON.stringify({ kind: 'Status', message, details });
const plain = { 'content-type': 'text/plain' };
const json = { 'content-type': 'application/json' };
const reply = (code: number, body: string, headers: object = json): Reply => ({
  kind: 'reply',
  status: code,
  headers: { ...headers },
  body,
});

export const TOO_LARGE = reply(422, status('metadata.annotations: Too long: may not be more than 262144 bytes'));

export function replyOf({ verdict, retryAfter }: Fate, random: Random): Reply {
  // A proxy's clock, if anything: no decision may look at it.
  const date = new Date(EPOCH_MS + random.between(-1e9, 1e9)).toUTCString();
  const patience = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
  switch (verdict) {
    case 'throttled':
      return reply(429, 'Too many requests, please try again later.', { ...plain, ...patience, date });
    case 'failed':
      return reply(503, 'no backend', { ...plain, date });
    case 'refused-connection':
      return { kind: 'broken', message: 'connection refused', sent: false };
    case 401:
      return reply(401, status('Unauthorized'));
    case 403:
      return reply(403, status('leases.coordination.k8s.io "lock" is forbidden: RBAC: not yet'));
    case 404:
      return reply(404, status('namespaces "ns" not found', { name: 'ns', kind: 'namespaces' }));
    case 422:
      return reply(422, status('a webhook refuses it'));
    default:
      return reply(504, 'upstream timed out', { ...plain, date });
  }
}
