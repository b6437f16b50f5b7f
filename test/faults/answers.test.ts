/** The fault matrix, answers: an API server, or what stands in front of it, answers wrongly or not at all. */
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import { type Asked, type Behaviour, failure, pass, respond, silence, truncated } from '../harness/fault-behaviours.ts';
import { grant, SUFFICIENT } from '../harness/rbac.ts';
import { until } from '../harness/until.ts';
import { lasting } from './answers.ts';
import { type Cell, DURATION_MS, type Story } from './cell.ts';
import { REASONS } from './reasons.ts';
import { cellTests } from './story.ts';

/** Until the guard has complained: then all is well again. */
function passing(name: string, behaviour: Behaviour, says: RegExp): Cell {
  return {
    name: `${name}, for a while`,
    why: REASONS.kept,
    async inject({ proxy, alice }) {
      proxy.set(() => behaviour);
      await alice.says(says);
      proxy.set(undefined);
      await alice.says(/renewed Lease \S+ again/);
    },
    outcome: 'goes on',
    code: 0,
  };
}

const internal = respond(500, failure(500, 'InternalError', 'etcdserver: leader changed'));
const unavailable = respond(503, failure(503, 'ServiceUnavailable', 'shutting down'), { 'retry-after': '60' });
const tooMany = (seconds: number) =>
  respond(429, failure(429, 'TooManyRequests', 'too many requests'), { 'retry-after': String(seconds) });

/** Only this token is good, and the API server behind is asked with its administrator's. */
function knowing({ cluster }: Story, good: string): (asked: Asked) => Behaviour {
  const asAdministrator: Behaviour = (exchange) => {
    exchange.request.headers.authorization = `Bearer ${cluster.adminToken}`;
    return pass(exchange);
  };
  const unknown = respond(401, failure(401, 'Unauthorized', 'Unauthorized'));
  return ({ token }) => (token === good ? asAdministrator : unknown);
}

const STATUS_410 = failure(410, 'Expired', 'The resourceVersion for the provided watch is too old.');

const theft = (at: Date) => ({
  spec: { holderIdentity: 'thief', leaseDurationSeconds: DURATION_MS / 1000, renewTime: at.toISOString().replace('Z', '000Z') },
});

const cells: Cell[] = [
  lasting('500', internal, /answered 500: etcdserver: leader changed/),
  lasting('503 with Retry-After: 60', unavailable, /answered 503: shutting down/),
  lasting('429 with Retry-After: 60', tooMany(60), /answered 429: too many requests/),
  lasting(
    'HTML instead of JSON',
    respond(200, '<html>Please log in</html>'),
    /200 with text\/html \("<html>Please log in<\/html>"\)/,
  ),
  lasting('each response body is truncated', truncated, /broke off after \d+ characters/),
  lasting('no answer at all', silence, /no answer within 1s/),
  passing('500', internal, /answered 500/),
  passing('429 with Retry-After: 1', tooMany(1), /answered 429/),
  {
    name: '401: the token is rotated, and its file contains the new one',
    why: REASONS.kept,
    alice: { tokenFile: 'first' },
    before: (story) => story.proxy.set(knowing(story, 'first')),
    async inject(story) {
      story.setToken('alice', 'second');
      story.proxy.set(knowing(story, 'second'));
      await sleep(DURATION_MS + 1000);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: '401: the token has expired, and its file is not renewed',
    why: REASONS.stopped,
    alice: { tokenFile: 'first' },
    before: (story) => story.proxy.set(knowing(story, 'first')),
    inject: (story) => story.proxy.set(knowing(story, 'second')),
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease .*401: the API server does not accept the credentials/],
  },
  {
    name: '403: the permissions are removed (RBAC)',
    why: REASONS.stopped,
    async before(story) {
      const { cluster, namespace, t } = story;
      const to = [{ kind: 'User' as const, name: 'user-1' }];
      await grant(cluster, { namespace, name: 'lock', verbs: SUFFICIENT, lock: 'lock', to });
      const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/lock`;
      let status = 403;
      while (status === 403 && !t.signal.aborted) {
        status = (await cluster.request('GET', path, undefined, { token: cluster.userToken(1) })).status;
      }
    },
    alice: { asUser: 1 },
    async inject({ cluster, namespace }) {
      await cluster.request('DELETE', `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings/lock`);
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease .*403: .*user-1.*Allow get, watch, create and update on leases/],
  },
  {
    name: 'the watch sends nothing more, and the lock is stolen',
    why: REASONS.theft,
    async inject({ proxy, patch, mark }) {
      proxy.muteWatches();
      mark('theft');
      await patch(theft(new Date()));
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it is held by thief/],
    freeFrom: ({ marked }) => ({ at: marked('theft') + DURATION_MS, by: "end of the thief's lease" }),
  },
  {
    name: 'the watch ends with 410, and so does the next',
    why: REASONS.kept,
    async inject({ proxy }) {
      proxy.set(({ verb, nth }) => (verb === 'watch' && nth === 1 ? respond(410, STATUS_410) : pass));
      proxy.endWatches({ type: 'ERROR', object: STATUS_410 });
      await until(
        () => proxy.answers.includes('watch 410') && proxy.openWatches() > 0,
        () => `no watch again: ${proxy.answers}`,
      );
      await sleep(1000);
    },
    outcome: 'goes on',
    code: 0,
  },
];

describe('answers', { concurrency: 5 }, () => cellTests('answers', cells));
