/**
 * What a kubelet and Prometheus want to know of a guard, over HTTP: /healthz is 200 only while the lock is held and in time, /metrics is the
 * state and history of this one lock. It listens on every address, since a probe comes from outside of the Pod.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Clock, Monotonic } from '../../src/clock.ts';
import type { Emit, LockEvent } from '../../src/lock/events.ts';
import type { Log } from '../../src/log.ts';

export type Health = { kind: 'serving'; listen: Emit } | { kind: 'refused'; message: string };

/** 0 takes a free port; which one is said in the log. The server never keeps the process running. */
export function serveHealth(port: number, { clock, log }: { clock: Clock; log: Log }): Promise<Health> {
  const { registry, listen, isHealthy } = observe(clock);
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'text/plain') =>
      response.writeHead(status, { 'content-type': type }).end(body);
    if (request.url === '/healthz') return isHealthy() ? answer(200, 'held\n') : answer(503, 'not held\n');
    if (request.url !== '/metrics') return answer(404, 'here are /healthz and /metrics\n');
    registry.metrics().then(
      (text) => answer(200, text, registry.contentType),
      (error: Error) => answer(500, `${error.message}\n`),
    );
  });
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ kind: 'refused', message: `--health-port ${port} can't be listened on: ${error.code}` }),
    );
    server.listen(port, () => {
      server.unref();
      log('debug', `health and metrics at port ${(server.address() as AddressInfo).port}`, { event: 'health' });
      resolve({ kind: 'serving', listen });
    });
  });
}

function observe(clock: Clock): { registry: Registry; listen: Emit; isHealthy(): boolean } {
  const registry = new Registry();
  const registers = [registry];
  const startedAt = clock.now();
  let stopBy: Monotonic | undefined;
  let waiting = true;
  const gauge = (name: string, help: string, collect?: (this: Gauge) => void) =>
    new Gauge({ name: `k8s_lease_lock_${name}`, help, registers, ...(collect && { collect }) });
  const counter = (name: string, help: string) => new Counter({ name: `k8s_lease_lock_${name}`, help, registers });
  const isHealthy = () => stopBy !== undefined && clock.now() < stopBy;

  gauge('held', '1 while the lock is held and in time', function () {
    this.set(isHealthy() ? 1 : 0);
  });
  gauge('waiting', '1 while the guard waits for the lock', function () {
    this.set(waiting ? 1 : 0);
  });
  gauge(
    'seconds_to_deadline',
    'until the command would be stopped if no renewal succeeded; 0 while the lock is not held',
    function () {
      this.set(stopBy === undefined ? 0 : Math.max(0, (stopBy - clock.now()) / 1000));
    },
  );
  const position = gauge('waiters_ahead', 'how many are served first');
  const queue = gauge('queue_length', 'how many wait for the lock, as last seen');
  const waited = gauge('wait_seconds', 'how long the guard has waited for the lock, or did', function () {
    if (waiting) this.set((clock.now() - startedAt) / 1000);
  });
  const transitions = gauge('transitions', 'how often the lock has changed hands, as its Lease says');
  const renewals = counter('renewals_total', 'renewals that succeeded');
  const failures = counter('request_failures_total', 'requests that failed and were tried again');

  const listen = (event: LockEvent) => {
    switch (event.type) {
      case 'waiting':
        queue.set(event.queue);
        return position.set(event.position);
      case 'acquired':
        waiting = false;
        stopBy = event.stopBy;
        position.set(0);
        waited.set(event.waitedMs / 1000);
        return transitions.set(event.transitions);
      case 'renewed':
        stopBy = event.stopBy;
        queue.set(event.queue);
        return renewals.inc();
      case 'trouble':
        return failures.inc();
      case 'lost':
      case 'released':
        stopBy = undefined;
        return;
      default:
        return;
    }
  };
  return { registry, listen, isHealthy };
}
