/** The state and history of each lock, as Prometheus reads them. Loaded only when somebody asks: the library costs what the rest of the guard does. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { LockId, LockStatistics } from './lock-statistics.ts';

/** What has happened to one lock. */
export interface Measured {
  lock: LockId;
  statistics: LockStatistics;
}

/** `namespace` as a label is Prometheus' own, for the namespace of the Pod, which may be another. */
const labelsOf = ({ namespace, name }: LockId) => ({ lock: name, lock_namespace: namespace });

export function metricsOf(all: readonly Measured[]): Registry {
  const registry = new Registry();
  const common = (name: string, help: string) => ({
    ...{ name: `k8s_lease_lock_${name}`, help },
    ...{ labelNames: ['lock', 'lock_namespace'] as const, registers: [registry] },
  });
  const gauge = (name: string, help: string, value: (statistics: LockStatistics) => number) => {
    new Gauge({
      ...common(name, help),
      collect() {
        for (const { lock, statistics } of all) this.set(labelsOf(lock), value(statistics));
      },
    });
  };
  const counter = (name: string, help: string, value: (statistics: LockStatistics) => number) => {
    new Counter({
      ...common(name, help),
      collect() {
        this.reset();
        for (const { lock, statistics } of all) this.inc(labelsOf(lock), value(statistics));
      },
    });
  };
  gauge('held', '1 while the lock is held and in time', (statistics) => (statistics.isHeld() ? 1 : 0));
  gauge('waiting', '1 while the guard waits for the lock', (statistics) => (statistics.waiting ? 1 : 0));
  gauge(
    'seconds_to_deadline',
    'until the command would be stopped if no renewal succeeded; 0 while the lock is not held',
    (statistics) => statistics.msToDeadline() / 1000,
  );
  gauge('waiters_ahead', 'how many are served first', (statistics) => statistics.position);
  gauge('queue_length', 'how many wait for the lock, as last seen', (statistics) => statistics.queue);
  gauge('wait_seconds', 'how long the guard has waited for the lock, or did', (statistics) => statistics.waitedMs() / 1000);
  gauge('transitions', 'how often the lock has changed hands, as its Lease says', (statistics) => statistics.transitions);
  counter('renewals_total', 'renewals that succeeded', (statistics) => statistics.renewals);
  counter('request_failures_total', 'requests that failed and were tried again', (statistics) => statistics.failures);
  return registry;
}
