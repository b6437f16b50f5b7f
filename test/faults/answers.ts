/** Cells of the fault matrix in which every answer is wrong from some moment on. */
import { EXIT } from '../../image/exit-codes.ts';
import type { Behaviour } from '../harness/fault-behaviours.ts';
import type { Cell } from './cell.ts';
import { REASONS } from './reasons.ts';

/** From now on, and no watch tells of writes that were done: the command has to go. */
export function lasting(name: string, behaviour: Behaviour, says: RegExp): Cell {
  return {
    name: `${name}, from now on`,
    why: REASONS.stopped,
    inject({ proxy }) {
      proxy.muteWatches();
      proxy.set(() => behaviour);
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it could not be renewed for [\d.]+s/, says],
  };
}
