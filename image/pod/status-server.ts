/**
 * What a kubelet and Prometheus ask a guard or a sidecar, over HTTP on one port: /held is 200 while the lock is held and else 503, each with a
 * sentence; /healthz is 200 while it is held and in time, and asking it has no consequences; /metrics are the numbers. It listens on every address,
 * since a probe comes from outside of the Pod.
 */
import { createServer, get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../src/clock.ts';
import { documentAt } from '../../src/documents.ts';
import type { LockEvent } from '../../src/lock/index.ts';
import type { Log } from '../../src/log.ts';
import { type LockId, lockStatistics } from './lock-statistics.ts';
import type { Measured } from './metrics.ts';

/** Of no service that is registered anywhere. */
export const STATUS_PORT = 17_474;

export interface HeldState {
  held: boolean;
  /** Why, for people. */
  message: string;
}

export interface StatusServer {
  kind: 'serving';
  /** `of`: the lock that it happens to. */
  onEvent(event: LockEvent, of: LockId): void;
  /** From now on this makes every answer to /held. */
  answerHeld(state: () => HeldState | Promise<HeldState>): void;
}

interface StatusOptions {
  clock: Clock;
  log: Log;
  /** All that have to be held. */
  locks: readonly LockId[];
  /** The process lives to answer, also when nothing else is left to do. */
  keepsRunning: boolean;
}

/** 0 takes a free port; which one is logged. */
export function serveStatus(
  port: number,
  { clock, log, locks, keepsRunning }: StatusOptions,
): Promise<StatusServer | { kind: 'refused'; message: string }> {
  const all = locks.map((lock) => ({ lock, statistics: lockStatistics(clock) }));
  let held: () => HeldState | Promise<HeldState> = () =>
    areHeld(all) ? { held: true, message: 'held' } : { held: false, message: 'waiting for the lock' };
  const server = createServer((request, response) => {
    void respond(request.url, response, { all, held: () => held() });
  });
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve({
        kind: 'refused',
        message: `cannot listen on --status-port ${port}: ${error.code} (${documentAt('sidecar.md#the-port')})`,
      }),
    );
    server.listen(port, () => {
      if (!keepsRunning) server.unref();
      log('debug', `status and metrics on port ${(server.address() as AddressInfo).port}`, { event: 'status-server' });
      resolve({
        kind: 'serving',
        onEvent(event, { namespace, name }) {
          const of = all.find(({ lock }) => lock.namespace === namespace && lock.name === name);
          of?.statistics.onEvent(event);
        },
        answerHeld(next) {
          held = next;
        },
      });
    });
  });
}

const areHeld = (all: readonly Measured[]): boolean => all.every(({ statistics }) => statistics.isHeld());

interface Asked {
  all: readonly Measured[];
  held(): HeldState | Promise<HeldState>;
}

async function respond(path: string | undefined, response: ServerResponse, { all, held }: Asked): Promise<void> {
  // A probe is one question: a connection that is kept would outlive its container.
  const answer = (status: number, body: string, type = 'text/plain') =>
    response.writeHead(status, { 'content-type': type, connection: 'close' }).end(body);
  switch (path) {
    case '/held': {
      const state = await held();
      return void answer(state.held ? 200 : 503, `${state.message}\n`);
    }
    case '/healthz':
      return void (areHeld(all) ? answer(200, 'held\n') : answer(503, 'not held\n'));
    case '/metrics': {
      const { metricsOf } = await import('./metrics.ts');
      const registry = metricsOf(all);
      return void answer(200, await registry.metrics(), registry.contentType);
    }
    default:
      return void answer(404, 'not found: use /held, /healthz or /metrics\n');
  }
}

/** Asks /held of the sidecar in this Pod. */
export function askHeld(port: number, timeoutMs: number): Promise<HeldState> {
  return new Promise((resolve) => {
    const no = (message: string) => resolve({ held: false, message });
    const options = { host: '127.0.0.1', port, path: '/held', agent: false, signal: AbortSignal.timeout(timeoutMs) };
    const request = get(options, (response) => {
      let message = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        message += text;
      });
      response.on('error', (error) => no(error.message));
      response.on('end', () => resolve({ held: response.statusCode === 200, message: message.trim() }));
    });
    request.on('error', (error: NodeJS.ErrnoException) =>
      no(
        error.code === 'ECONNREFUSED'
          ? `nothing answers on port ${port}: is "k8s-lease-lock hold" running in this Pod?`
          : error.message,
      ),
    );
  });
}
