/** A participant for one look or one change, without a queue or a keeper. */
import { type Clock, systemClock } from '../src/clock.ts';
import type { Identity } from '../src/lock/identity.ts';
import type { Participant } from '../src/lock/index.ts';
import { newParticipant } from '../src/lock/new-participant.ts';
import { openGate } from './access.ts';
import { aboutOf } from './github-context.ts';
import type { Inputs } from './inputs.ts';

export type Visited =
  | { kind: 'participant'; participant: Participant; namespace: string; clock: Clock; explain401(): string }
  | { kind: 'refused'; message: string };

export async function visit(inputs: Inputs, identity: Identity): Promise<Visited> {
  const clock = systemClock();
  const { cluster, explain401 } = await openGate(inputs.access, clock);
  if (cluster.kind === 'refused') return cluster;
  const namespace = inputs.namespace ?? cluster.cluster.namespace ?? 'default';
  const newcomer = newParticipant({
    ...inputs,
    cluster: cluster.cluster,
    clock,
    namespace,
    identity,
    about: aboutOf(inputs),
    createIfAbsent: true,
    legacyExpiry: false,
    onWatchTrouble: () => {}, // The lock works without a watch.
  });
  return { kind: 'participant', participant: { ...newcomer, emit: () => {} }, namespace, clock, explain401 };
}
