/** What may be got wrong in reading a Lease, and in writing it. */
import type { Mutant } from './index.ts';

export const DOCUMENTS: readonly Mutant[] = [
  {
    name: 'no-resource-version',
    breaks: 'a write replaces whatever version is there',
    conduct: {
      twist: {
        put(server, lease, write) {
          const present = server.get().lease;
          return present ? server.force(lease, write) : server.put(lease, write);
        },
      },
    },
    profile: 'gentle',
    seed: 3,
  },
  {
    name: 'stale-annotation-trusted',
    breaks: 'a holder annotation counts although the spec says otherwise',
    edits: [
      [
        'protocol/document.ts',
        "const agreed = named !== '' && annotated.some((holder) => holder.id === named);",
        'const agreed = annotated.length > 0;',
      ],
    ],
    profile: 'electors',
    seed: 1,
  },
  {
    name: 'versions-compared-as-text',
    breaks: 'version 100000 is older than version 99999',
    edits: [['protocol/lease.ts', 'return a.length !== b.length ? a.length > b.length : a > b;', 'return a > b;']],
    profile: 'gentle',
    seed: 3,
  },
  {
    name: 'unknown-fields-dropped',
    breaks: 'fields of the spec that this code does not know are not written back',
    edits: [['protocol/edit.ts', 'spec: { ...lease.spec, ...change.spec } };', 'spec: { ...change.spec } };']],
    profile: 'deeds',
    seed: 1,
  },
  {
    name: 'waiter-writes-spec',
    breaks: 'joining the queue touches renewTime',
    edits: [
      [
        'protocol/writes.ts',
        '    lock: { next: Math.max(state.next, came + 1) },\n',
        "    lock: { next: Math.max(state.next, came + 1) },\n    spec: { renewTime: me.since.replace('Z', '000Z') },\n",
      ],
    ],
    profile: 'gentle',
    seed: 1,
  },
];
