/** `k8s-lease-lock rbac`: prints the least rights that a participant needs, as manifests for kubectl apply. docs/rbac.md says what each is for. */
import { stringify } from 'yaml';
import { DEFAULT_NAMESPACE } from '../../src/api/cluster.ts';
import { problemOfNamespace, withDigest } from '../../src/names.ts';
import { type CommandLineShape, type Env, type Reader, readCommandLine, UsageError } from '../command-line.ts';
import { pick } from '../option-table.ts';
import { LOCK_NAMES, lockNames } from '../options.ts';
import { reportUsage } from '../run-command.ts';
import { write } from '../stdout.ts';

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock rbac --name NAME --for WHOM [options] | kubectl apply -f -\n\nPrints the least Role and RoleBinding for a lock.',
  options: pick(['name', 'slug', 'namespace', 'for', 'events'], { ...LOCK_NAMES, namespace: { default: DEFAULT_NAMESPACE } }),
  operands: 'none',
};

export async function rbac(argv: readonly string[], env: Env): Promise<number> {
  return await reportUsage('rbac', async () => {
    const line = readCommandLine(SHAPE, argv, env);
    await write(line.kind === 'help' ? `${line.text}\n` : manifestsOf(line.read));
    return 0;
  });
}

function manifestsOf(read: Reader): string {
  const locks = lockNames(read);
  const namespace = read.text('namespace') ?? DEFAULT_NAMESPACE;
  const whom = read.text('for');
  if (whom === undefined) throw new UsageError('--for is required: serviceaccount:NAMESPACE/NAME, user:NAME or group:NAME');
  const problem = problemOfNamespace(namespace);
  if (problem !== undefined) throw new UsageError(problem);
  const subject = subjectOf(whom);
  const manifests = locks.flatMap((lock) =>
    grant({ name: `lease-lock-${lock.name}`, namespace: lock.namespace ?? namespace }, ruleFor(lock.name), subject),
  );
  if (read.flag('events')) {
    if (subject.namespace === undefined) throw new UsageError('--events requires --for serviceaccount:NAMESPACE/NAME');
    const events = { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] };
    manifests.push(...grant({ name: 'lease-lock-events', namespace: subject.namespace }, events, subject));
  }
  return manifests.map((manifest) => stringify(manifest)).join('---\n');
}

const ruleFor = (name: string) => ({
  apiGroups: ['coordination.k8s.io'],
  resources: ['leases'],
  resourceNames: [name],
  verbs: ['get', 'watch', 'create', 'update'],
});

interface Subject {
  kind: string;
  name: string;
  namespace?: string;
  apiGroup?: string;
}

function grant(metadata: { name: string; namespace: string }, rule: object, subject: Subject): object[] {
  // A binding for each pair, so that a second subject does not replace the first: what is readable of two may be the same.
  const who = [subject.namespace, subject.name].filter((part) => part !== undefined).join('-');
  const binding = withDigest(`${metadata.name}-${who}`, JSON.stringify([metadata.name, subject]));
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: [rule] },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { ...metadata, name: binding },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name },
      subjects: [subject],
    },
  ];
}

function subjectOf(whom: string): Subject {
  const [, kind = '', rest = ''] = /^(serviceaccount|user|group):(.+)$/.exec(whom) ?? [];
  if (kind === 'user' || kind === 'group')
    return { kind: kind === 'user' ? 'User' : 'Group', name: rest, apiGroup: 'rbac.authorization.k8s.io' };
  const [namespace = '', name = '', ...more] = rest.split('/');
  if (kind === '' || name === '' || more.length > 0 || problemOfNamespace(namespace) !== undefined)
    throw new UsageError(`invalid value "${whom}" for --for: use serviceaccount:NAMESPACE/NAME, user:NAME or group:NAME`);
  return { kind: 'ServiceAccount', name, namespace };
}
