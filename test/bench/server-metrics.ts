/** What the API server has counted: requests on Leases of ours, by verb and by the code of the answer. */
import type { Cluster } from '../harness/cluster.ts';

/** `PUT 200`, `PUT 409`, ... with how often since the server started; those of its own components go to other namespaces, and are counted, too. */
export async function leaseRequests(cluster: Cluster): Promise<Record<string, number>> {
  const { text } = await cluster.request('GET', '/metrics');
  const counts: Record<string, number> = {};
  for (const [, labels = '', count] of text.matchAll(/^apiserver_request_total\{(.*resource="leases".*)\} (\S+)$/gm)) {
    const [verb, code] = ['verb', 'code'].map((name) => new RegExp(`\\b${name}="([^"]*)"`).exec(labels)?.[1]);
    const what = `${verb} ${code}`;
    counts[what] = (counts[what] ?? 0) + Number(count);
  }
  return counts;
}
