/** Somebody with just the rights that a test gives, on the real API server. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Cluster } from '../harness/cluster.ts';
import { tempFolder } from '../harness/guards.ts';
import { grant } from '../harness/rbac.ts';

/** A ServiceAccount that may do this with the lock `deploy`, and the file of its token. */
export async function account(t: TestContext, cluster: Cluster, { namespace, name, verbs }: Account) {
  const token = await cluster.serviceAccountToken({ namespace, name });
  if (verbs.length > 0) await grant(cluster, { namespace, name, verbs, lock: 'deploy', to: [{ kind: 'ServiceAccount', name }] });
  const tokenFile = join(tempFolder(t), 'token');
  writeFileSync(tokenFile, token);
  return { token, tokenFile };
}

export interface Account {
  namespace: string;
  name: string;
  verbs: readonly string[];
}
