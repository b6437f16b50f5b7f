/** A Lease client as the product makes it, for one server of a test, and the Lease that it is about. */
import type { Cluster } from '../../src/api/cluster.ts';
import { type LeaseClient, leaseClient } from '../../src/api/lease-client.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { newLease } from '../../src/protocol/lease.ts';

export const lease = {
  ...newLease('team', 'deploy'),
  metadata: { name: 'deploy', namespace: 'team', uid: 'u', resourceVersion: '7' },
};
export const timeoutMs = 2000;

interface ClientOptions {
  credentials?: Cluster['credentials'];
  clock?: Clock;
}

export function clientOf(url: string, { credentials, clock = systemClock() }: ClientOptions = {}): LeaseClient {
  const anonymous = async () => ({ headers: {}, tls: { rejectUnauthorized: true }, proxy: undefined });
  const cluster: Cluster = {
    server: url,
    source: 'the test',
    namespace: 'default',
    credentials: credentials ?? anonymous,
    podToken: async () => undefined,
  };
  return leaseClient({
    cluster,
    namespace: 'team',
    name: 'deploy',
    clock,
    userAgent: 'test/1',
    random: () => 0.5,
  });
}
