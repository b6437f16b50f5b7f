/** The fault matrix, network: what becomes of a command when its guard's connection to the API server is cut in one way or another. */
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import type { Cell } from './cell.ts';
import { REASONS } from './reasons.ts';
import { cellTests } from './story.ts';

const cells: Cell[] = [
  {
    name: 'every connection is half-open from now on',
    why: REASONS.stopped,
    via: 'wire',
    inject: ({ wire }) => wire.blackhole(),
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it could not be renewed for [\d.]+s: .*no answer within/],
  },
  {
    name: 'every connection is half-open for two seconds',
    why: REASONS.kept,
    via: 'wire',
    async inject({ wire, alice }) {
      wire.blackhole();
      await alice.says(/no answer within 1s/);
      wire.heal();
      await alice.says(/renewed \S+ \S+ again/);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'every connection is reset from now on',
    why: REASONS.stopped,
    via: 'wire',
    inject: ({ wire }) => wire.reset(),
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease \S+: it could not be renewed for [\d.]+s: .*the connection was (reset|closed)|socket hang up/],
  },
  {
    name: 'all connections are reset once',
    why: REASONS.kept,
    via: 'wire',
    async inject({ wire }) {
      wire.resetOnce();
      await sleep(3000);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'everything that is sent arrives three seconds late, in both directions',
    why: REASONS.stopped,
    via: 'wire',
    inject: ({ wire }) => wire.delay(3000),
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease/],
  },
];

describe('network', { concurrency: 4 }, () => cellTests('network', cells));
