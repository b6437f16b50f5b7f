/** The fault matrix, answers: an API server, or what stands in front of it, answers wrongly, late or not at all. */
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import {
  type Asked,
  type Behaviour,
  failure,
  late,
  lostAnswer,
  lostSuccess,
  pass,
  reset,
  respond,
  silence,
  truncated,
} from '../harness/fault-proxy.ts';
import { REASONS } from './reasons.ts';
import { type Cell, cellTests, DURATION_MS, type Story, until } from './story.ts';

const writes =
  (behaviour: Behaviour) =>
  ({ verb }: Asked): Behaviour =>
    verb === 'write' ? behaviour : pass;
const firstWrite =
  (behaviour: Behaviour) =>
  ({ verb, nth }: Asked): Behaviour =>
    verb === 'write' && nth === 1 ? behaviour : pass;
const firstRelease = (behaviour: Behaviour) => {
  let done = false;
  return ({ lease }: Asked): Behaviour => {
    if (done || lease?.spec.holderIdentity !== '') return pass;
    done = true;
    return behaviour;
  };
};

/** From now on, for ever, and no watch tells of writes that were done: the command has to go. */
function lasting(name: string, behaviour: Behaviour, says: RegExp): Cell {
  return {
    name: `${name}, from now on`,
    why: REASONS.stopped,
    inject({ proxy }) {
      proxy.muteWatches();
      proxy.set(() => behaviour);
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it could not be renewed for [\d.]+s/, says],
  };
}

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
const knowing =
  ({ cluster }: Story, good: string) =>
  ({ token }: Asked): Behaviour =>
    token === good
      ? (exchange) => {
          exchange.request.headers.authorization = `Bearer ${cluster.adminToken}`;
          return pass(exchange);
        }
      : respond(401, failure(401, 'Unauthorized', 'Unauthorized'));

const STATUS_410 = failure(410, 'Expired', 'The resourceVersion for the provided watch is too old.');

const theft = (at: Date) => ({
  spec: { holderIdentity: 'thief', leaseDurationSeconds: DURATION_MS / 1000, renewTime: at.toISOString().replace('Z', '000Z') },
});

const cells: Cell[] = [
  lasting('each write is done at once and answered after its deadline', late(1500), /no answer within 1s/),
  {
    name: 'each write is done at once and answered after its deadline, but the watch tells of it',
    why: REASONS.read,
    async inject({ proxy }) {
      proxy.set(writes(late(1500)));
      await sleep(DURATION_MS + 2000);
      proxy.set(undefined);
    },
    outcome: 'goes on',
    code: 0,
  },
  lasting('500', internal, /answered 500: etcdserver: leader changed/),
  lasting('503 with Retry-After: 60', unavailable, /answered 503: shutting down/),
  lasting('429 with Retry-After: 60', tooMany(60), /answered 429: too many requests/),
  lasting('HTML for JSON', respond(200, '<html>Please log in</html>'), /200 with text\/html \("<html>Please log in<\/html>"\)/),
  lasting('each body is cut off', truncated, /broke off after \d+ characters/),
  lasting('no answer at all', silence, /no answer within 1s/),
  passing('500', internal, /answered 500/),
  passing('429 with Retry-After: 1', tooMany(1), /answered 429/),
  {
    name: '401: the token is rotated, and its file tells the new one',
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
    name: '403: the rights are taken away (RBAC)',
    why: REASONS.stopped,
    async before(story) {
      const { cluster, namespace, t } = story;
      const api = 'rbac.authorization.k8s.io';
      const rules = [
        {
          apiGroups: ['coordination.k8s.io'],
          resources: ['leases'],
          verbs: ['get', 'watch', 'create', 'update'],
          resourceNames: ['lock'],
        },
      ];
      const metadata = { name: 'lock', namespace };
      await cluster.apply({ apiVersion: `${api}/v1`, kind: 'Role', metadata, rules });
      await cluster.apply({
        apiVersion: `${api}/v1`,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: api, kind: 'Role', name: 'lock' },
        subjects: [{ kind: 'User', name: 'user-1', apiGroup: api }],
      });
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
    name: 'the watch falls silent, and the lock is stolen',
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
  {
    name: 'a renewal is done and its answer lost',
    why: REASONS.read,
    async inject({ proxy }) {
      proxy.set(firstWrite(lostAnswer));
      // The watch may show that it was done before the loss is noticed: then there is no trouble to tell of.
      const renewedAfter = () => proxy.answers.slice(proxy.answers.lastIndexOf('write -')).includes('write 200');
      await until(
        () => proxy.answers.includes('write -') && renewedAfter(),
        () => `not renewed again: ${proxy.answers}`,
      );
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'a renewal is lost before it is done',
    why: REASONS.kept,
    async inject({ proxy, alice }) {
      proxy.set(firstWrite(reset));
      await alice.says(/renewed Lease \S+ again/);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'the answer of every renewal that is done is lost, for longer than a lease',
    why: REASONS.read,
    async inject({ proxy }) {
      proxy.set(writes(lostSuccess));
      await sleep(DURATION_MS + 2000);
      proxy.set(undefined);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'the claim is done and its answer lost',
    why: REASONS.confirmed,
    before: ({ proxy }) => proxy.set(firstWrite(lostAnswer)),
    inject: () => sleep(2000),
    outcome: 'goes on',
    code: 0,
    says: [/acquired Lease/],
  },
  {
    name: 'the claim is lost before it is done',
    why: REASONS.confirmed,
    before: ({ proxy }) => proxy.set(firstWrite(reset)),
    inject: () => sleep(2000),
    outcome: 'goes on',
    code: 0,
    says: [/acquired Lease/],
  },
  {
    name: 'the claim is done and answered after its deadline',
    why: REASONS.confirmed,
    before: ({ proxy }) => proxy.set(firstWrite(late(2500))),
    inject: () => sleep(2000),
    outcome: 'goes on',
    code: 0,
    says: [/acquired Lease/],
  },
  {
    name: 'the release is done and its answer lost',
    why: REASONS.gone,
    inject: ({ proxy }) => proxy.set(firstRelease(lostAnswer)),
    outcome: 'goes on',
    code: 0,
    says: [/released Lease/],
  },
  {
    name: 'the release is lost before it is done',
    why: REASONS.gone,
    inject: ({ proxy }) => proxy.set(firstRelease(reset)),
    outcome: 'goes on',
    code: 0,
    says: [/released Lease/],
  },
  {
    name: 'the release gets no answer, however often it is tried',
    why: REASONS.remembered,
    inject: ({ proxy }) => proxy.set(writes(silence)),
    outcome: 'goes on',
    code: 0,
    says: [/the lock expires by itself/],
  },
];

describe('answers', { concurrency: 5 }, () => cellTests('answers', cells));
