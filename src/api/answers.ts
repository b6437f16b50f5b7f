/**
 * What a reply of the API server means: every answer, and every lack of one, becomes a tagged value with a plain sentence. The only place where
 * messages of the API server and of admission policies are recognised by their text. A write without a clear answer is `failed`, and may have
 * been done all the same.
 */
import { documentAt } from '../documents.ts';
import { describeLease } from '../names.ts';
import type { RawLease } from '../protocol/lease.ts';
import type { Reply } from './http.ts';
import { admissionRefusal, forbidden, type Refusal, type Refused } from './refusals.ts';

export type Answer =
  | { kind: 'lease'; lease: RawLease }
  /** No such Lease (its namespace may not exist either: the API doesn't say on a read). */
  | { kind: 'absent' }
  /** 409, or 422 for a create that found one: somebody was faster. */
  | { kind: 'conflict' }
  /** The API server understood the request and refused it. */
  | { kind: 'refused'; reason: Refusal; status: number; message: string }
  /**
   * No answer, or none that says anything. `applied: 'no'` only where the API server surely did not act. `comeBack`: it lives, and asks to be asked
   * again later. `notExpired`: since the policy in deploy/holders protects a holder whose lease is not over. `unusable`: no request can be
   * made, however often it is tried; the message says what to change. `elsewhere`: what answers is no API server, or a balancer that has lost
   * it for a moment.
   */
  | {
      kind: 'failed';
      message: string;
      retryAfterMs?: number;
      applied: 'no' | 'unknown';
      comeBack?: true;
      notExpired?: true;
      unusable?: true;
      elsewhere?: true;
    };

/** `lease` undefined: the Lease was deleted, or may have been: read it. */
export type WatchEvent = { lease: RawLease | undefined };

/** What the policy in deploy/holders answers while the holder's lease has not expired. */
const NOT_EXPIRED = 'and has not expired: only its holder';
const TOO_EARLY_MS = 1000;

/** What was asked for, for messages. */
export interface Asked {
  verb: 'read' | 'create' | 'update' | 'watch';
  namespace: string;
  name: string;
  server: string;
}

const DOING = { read: 'reading', create: 'creating', update: 'updating', watch: 'watching' };

export function answerOf(reply: Reply, asked: Asked): Answer {
  const subject = `${DOING[asked.verb]} ${describeLease(asked)}`;
  if (reply.kind === 'broken')
    return {
      kind: 'failed',
      message: `${subject}: ${reply.message}`,
      applied: reply.sent ? 'unknown' : 'no',
      ...(reply.unusable && { unusable: true }),
    };
  const { status, headers, body } = reply;
  const json = readJson(body);
  const said = `${subject}: the API server answered ${status}`;
  if (status === 200 || status === 201) {
    if (isLease(json)) return { kind: 'lease', lease: json };
    return failedElsewhere(`${said} with ${nature(headers, body)} instead of a Lease`, status);
  }
  const problem = json?.kind === 'Status' ? (json as Status) : undefined;
  if (!problem && status < 500 && status !== 429 && status !== 401) {
    const message = `${said} with ${nature(headers, body)}: is ${asked.server} a Kubernetes API server, and nothing in between?`;
    return failedElsewhere(message, status);
  }
  const why = problem?.message ?? nature(headers, body);
  const forbid = ({ reason, fix }: Refused) => refuse(reason, status, `${subject}: ${status}: ${why}. ${fix}`);
  const denied = status < 500 && !why.includes(NOT_EXPIRED) && admissionRefusal(why);
  if (denied) return forbid(denied);
  switch (status) {
    case 401:
      return refuse(
        'credentials',
        status,
        `${subject}: 401: the API server does not accept the credentials; the token may have expired, or be for another cluster ` +
          `(${documentAt('troubleshooting.md#401')})`,
      );
    case 403:
      // Its clock and mine, or those of two API servers, are a little apart.
      if (why.includes(NOT_EXPIRED))
        return {
          kind: 'failed',
          message: `${subject}: 403: ${why}`,
          applied: 'no',
          retryAfterMs: TOO_EARLY_MS,
          comeBack: true,
          notExpired: true,
        };
      return forbid(forbidden(why, asked));
    case 404:
      if (problem?.details?.kind === 'leases' && problem.details.name === asked.name) return { kind: 'absent' };
      if (problem?.details?.kind === 'namespaces')
        return refuse(
          'namespace',
          status,
          `${subject}: the namespace "${asked.namespace}" does not exist: create it, or name another`,
        );
      return refuse('invalid', status, `${subject}: 404: ${why}. The API server does not serve coordination.k8s.io/v1`);
    case 409:
      return { kind: 'conflict' };
    case 422:
      // A PUT without uid and resourceVersion creates; this is how the API says that there is one already.
      if (asked.verb === 'create' && problem?.details?.causes?.some(({ field }) => field === 'metadata.resourceVersion'))
        return { kind: 'conflict' };
      return refuse('invalid', status, `${subject}: 422: ${why}`);
    case 429:
      return { kind: 'failed', message: `${said}: ${why}`, applied: 'no', ...retryAfter(headers, problem), comeBack: true };
    case 503: {
      const patience = retryAfter(headers, problem);
      // Proxies and balancers say 503 for whatever they can't reach, too: then it is the API server that is silent.
      const comeBack = problem !== undefined || 'retryAfterMs' in patience;
      return { kind: 'failed', message: `${said}: ${why}`, applied: 'unknown', ...patience, ...(comeBack && { comeBack }) };
    }
    default:
      if (status >= 500)
        return { kind: 'failed', message: `${said}: ${why}`, applied: 'unknown', ...retryAfter(headers, problem) };
      return refuse('invalid', status, `${said}: ${why}`);
  }
}

/** A web server that has a page there, or knows no such path; that wants another protocol, or leads to a page to log in. */
function failedElsewhere(message: string, status: number): Answer {
  const failed = { kind: 'failed', message, applied: 'unknown' } as const;
  if (BALANCER.includes(status)) return { ...failed, unusable: true, elsewhere: true };
  const lasting = (status >= 300 && status < 400) || [400, 403, 405].includes(status);
  return lasting ? { ...failed, unusable: true } : failed;
}

/** What balancers, too, say for themselves where nothing is behind them: a page, or that there is none. */
const BALANCER = [200, 201, 404];

interface Status {
  message?: string;
  reason?: string;
  details?: { kind?: string; name?: string; retryAfterSeconds?: number; causes?: { field?: string }[] };
}

const refuse = (reason: Refusal, status: number, message: string): Answer => ({ kind: 'refused', reason, status, message });

/** A maintenance page may ask for an hour: whoever waits must notice before that that it is over. */
const PATIENCE_MS = 30_000;

function retryAfter(headers: Record<string, unknown>, problem: Status | undefined): { retryAfterMs: number } | object {
  const header = typeof headers['retry-after'] === 'string' ? headers['retry-after'] : '';
  const seconds = /^\d+$/.test(header) ? Number(header) : problem?.details?.retryAfterSeconds;
  return typeof seconds === 'number' && seconds > 0 ? { retryAfterMs: Math.min(seconds * 1000, PATIENCE_MS) } : {};
}

function isLease(json: { kind?: unknown; metadata?: unknown } | undefined): json is RawLease {
  return json?.kind === 'Lease' && typeof json.metadata === 'object' && json.metadata !== null;
}

function readJson(body: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Told by `nature`, with the first words of it.
  }
}

/** What came instead of JSON, for a person who has to find out who answered. */
function nature(headers: Record<string, unknown>, body: string): string {
  const type = String(headers['content-type'] ?? 'no content type').split(';')[0];
  const start = body.replace(/\s+/g, ' ').trim().slice(0, 80);
  return start === '' ? 'an empty body' : `${type} ("${start}")`;
}
