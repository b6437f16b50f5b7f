/**
 * What happens to a Pod's lock as Events of that Pod, for `kubectl describe pod`. A courtesy: where it is not allowed, or the API server does not
 * answer, nothing is said and nothing waits. docs/rbac.md has the right that it takes.
 */
import type { Cluster } from '../../src/api/cluster.ts';
import { connect } from '../../src/api/http.ts';
import { type Clock, later, waitUntil } from '../../src/clock.ts';
import { documentAt } from '../../src/documents.ts';
import { formatDuration } from '../../src/durations.ts';
import { describeHolders, describePosition } from '../../src/lock/describe.ts';
import { type Emit, type LockEvent, podOf } from '../../src/lock/index.ts';
import type { Log } from '../../src/log.ts';
import { describeLease } from '../../src/names.ts';
import { microTime } from '../../src/protocol/lease.ts';
import type { Me } from '../../src/protocol/me.ts';
import { USER_AGENT } from '../../src/version.ts';

export interface PodEvents {
  onEvent: Emit;
  /** Resolves when what was said is sent, or soon. */
  sent(): Promise<void>;
}

const REQUEST_MS = 2000;
/** What a guard that is done waits for its last words. */
const PATIENCE_MS = 500;
/** Of the API. */
const NOTE_LIMIT = 1024;

interface Notice {
  type: 'Normal' | 'Warning';
  reason: string;
  action: string;
  note: string;
}

export function podEvents(
  me: Me,
  { clock, cluster, log, podToken }: { clock: Clock; cluster: Cluster; log: Log; podToken: string | undefined },
): PodEvents {
  const [, namespace, name, uid] = podOf(podToken)?.split('/') ?? [];
  if (namespace === undefined || name === undefined) return { onEvent: () => {}, sent: async () => {} };
  const connection = connect(cluster, clock, USER_AGENT);
  const subject = describeLease(me);
  let allowed = true;
  let waits = false;
  let last = Promise.resolve();

  const send = async (notice: Notice) => {
    if (!allowed) return;
    const event = eventFor({ namespace, name, uid }, notice, clock.wall());
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    const reply = await connection.send({ method: 'POST', path, body: JSON.stringify(event), timeoutMs: REQUEST_MS });
    if (reply.kind === 'reply' && reply.status < 300) return;
    // Not allowed, or a namespace that is going: it will be so the next time.
    allowed = reply.kind === 'broken' || (reply.status !== 403 && reply.status !== 404);
    log(
      'debug',
      `no Event: ${reply.kind === 'reply' ? `the API server answered ${reply.status}` : reply.message} (${documentAt('rbac.md#events')})`,
    );
  };

  return {
    onEvent(event) {
      // One tells that it waits; its place in the line is for the log.
      if (event.type === 'waiting' && waits) return;
      waits ||= event.type === 'waiting';
      const notice = noticeOf(event, subject, clock);
      if (notice) last = last.then(() => send(notice));
    },
    async sent() {
      const done = new AbortController();
      void last.then(() => done.abort());
      await waitUntil(clock, later(clock.now(), PATIENCE_MS), done.signal);
      connection.close();
    },
  };
}

function eventFor(
  { namespace, name, uid }: { namespace: string; name: string; uid: string | undefined },
  notice: Notice,
  at: Date,
) {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace, generateName: 'lease-lock-' },
    eventTime: microTime(at),
    reportingController: 'lease-lock.nullplatform.com/guard',
    reportingInstance: name.slice(0, 128),
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
    ...notice,
    note: notice.note.slice(0, NOTE_LIMIT),
  };
}

function noticeOf(event: LockEvent, subject: string, clock: Clock): Notice | undefined {
  const normal = (reason: string, action: string, note: string): Notice => ({ type: 'Normal', reason, action, note });
  switch (event.type) {
    case 'waiting':
      return normal(
        'LockWaiting',
        'Wait',
        `Waiting for ${subject}, ${describePosition(event.position)}: ${describeHolders(event.heldBy, clock.wall())}`,
      );
    case 'acquired':
      return normal(
        'LockAcquired',
        'Acquire',
        `Acquired ${subject} after ${formatDuration(event.waitedMs)} (token ${event.token})`,
      );
    case 'lost':
      return { type: 'Warning', reason: 'LockLost', action: 'Hold', note: `Lost ${subject}: ${event.reason}` };
    case 'released':
      return normal('LockReleased', 'Release', `Released ${subject} after ${formatDuration(event.heldMs)}`);
    default:
      return undefined;
  }
}
