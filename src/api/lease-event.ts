/** An Event about a Lease, for `kubectl describe lease` and `kubectl get events`. A courtesy: where it is not allowed, nothing is said. */

import type { Clock } from '../clock.ts';
import { microTime } from '../protocol/lease.ts';
import { USER_AGENT } from '../version.ts';
import type { Cluster } from './cluster.ts';
import { connect } from './http.ts';

export interface LeaseEvent {
  namespace: string;
  name: string;
  uid: string | undefined;
  reason: string;
  action: string;
  note: string;
}

/** Of the API. */
const NOTE_LIMIT = 1024;
const TIMEOUT_MS = 2000;

/** Whether the API server has taken it. */
export async function sendLeaseEvent(cluster: Cluster, clock: Clock, event: LeaseEvent): Promise<boolean> {
  const { namespace, name, uid, reason, action, note } = event;
  const connection = connect(cluster, clock, USER_AGENT);
  const body = JSON.stringify({
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace, generateName: 'lease-lock-' },
    eventTime: microTime(clock.wall()),
    reportingController: 'lease-lock.nullplatform.com/operate',
    reportingInstance: name.slice(0, 128),
    regarding: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name, uid },
    type: 'Warning',
    reason,
    action,
    note: note.slice(0, NOTE_LIMIT),
  });
  try {
    const path = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`;
    const reply = await connection.send({ method: 'POST', path, body, timeoutMs: TIMEOUT_MS });
    return reply.kind === 'reply' && reply.status < 300;
  } finally {
    connection.close();
  }
}
