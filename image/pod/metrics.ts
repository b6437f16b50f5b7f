/** The state and history of one lock, as Prometheus reads them. Loaded only when somebody asks: the library costs what the rest of the guard does. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { LockStatistics } from './lock-statistics.ts';

export interface LockId {
  namespace: string;
  name: string;
}

/** `namespace` as a label is Prometheus' own, for the namespace of the Pod, which may be another. */
const labelsOf = ({ namespace, name }: LockId): object => ({ lock: name, lock_namespace: namespace });

export function metricsOf(statistics: LockStatistics, lock?: LockId): Registry {
  const registry = new Registry();
  if (lock) registry.setDefaultLabels(labelsOf(lock));
  const registers = [registry];
  const gauge = (name: string, help: string, value: () => number) => {
    new Gauge({
      name: `k8s_lease_lock_${name}`,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  };
  const counter = (name: string, help: string, value: () => number) => {
    new Counter({
      name: `k8s_lease_lock_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  };
  gauge('held', '1 while the lock is held and in time', () => (statistics.isHeld() ? 1 : 0));
  gauge('waiting', '1 while the guard waits for the lock', () => (statistics.waiting ? 1 : 0));
  gauge(
    'seconds_to_deadline',
    'until the command would be stopped if no renewal succeeded; 0 while the lock is not held',
    () => statistics.msToDeadline() / 1000,
  );
  gauge('waiters_ahead', 'how many are served first', () => statistics.position);
  gauge('queue_length', 'how many wait for the lock, as last seen', () => statistics.queue);
  gauge('wait_seconds', 'how long the guard has waited for the lock, or did', () => statistics.waitedMs() / 1000);
  gauge('transitions', 'how often the lock has changed hands, as its Lease says', () => statistics.transitions);
  counter('renewals_total', 'renewals that succeeded', () => statistics.renewals);
  counter('request_failures_total', 'requests that failed and were tried again', () => statistics.failures);
  return registry;
}
