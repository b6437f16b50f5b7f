/** The fault matrix, guard: the process that should stop the command is itself killed, stopped, stuck or starved. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import { pass, silence } from '../harness/fault-behaviours.ts';
import { kill } from '../harness/processes.ts';
import { until } from '../harness/until.ts';
import { type Cell, DURATION_MS } from './cell.ts';
import { childrenOf, startedBy } from './processes.ts';
import { REASONS } from './reasons.ts';
import { cellTests } from './story.ts';
import type { Work } from './worker.ts';

const stubborn: Work = { ignoresTerm: true, children: [{ ignoresTerm: true, session: true }] };

const cells: Cell[] = [
  {
    name: 'stopped (SIGSTOP) until the next holder has run, then continued',
    why: REASONS.supervisor,
    work: stubborn,
    async inject(story) {
      story.alice.kill('SIGSTOP');
      await story.bob.finished;
      story.alice.kill('SIGCONT');
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease/],
  },
  {
    name: 'stopped for less than its lease, then continued',
    why: REASONS.kept,
    async inject({ alice }) {
      alice.kill('SIGSTOP');
      await sleep(2000);
      alice.kill('SIGCONT');
      await sleep(2000);
    },
    outcome: 'goes on',
    code: 0,
  },
  {
    name: 'killed (SIGKILL)',
    why: REASONS.supervisor,
    work: stubborn,
    inject: ({ alice }) => alice.kill('SIGKILL'),
    outcome: 'ends',
    code: null,
  },
  {
    name: 'its supervisor killed (SIGKILL)',
    why: REASONS.supervisor,
    work: { ignoresTerm: true, children: [{ ignoresTerm: true }] },
    inject({ alice }) {
      const [supervisor] = childrenOf(alice.pid);
      assert.ok(supervisor, 'there is a supervisor');
      kill(supervisor.pid);
    },
    outcome: 'ends',
    code: EXIT.supervisor.code,
    says: [/the supervisor of the command was killed/, /not released/],
    // Nobody can know whether a process of the command has left its group and lives on.
    leavesLock: true,
  },
  {
    name: 'its event loop blocked for longer than its lease',
    why: REASONS.supervisor,
    work: stubborn,
    alice: { fault: {} },
    inject: ({ alice, preload }) => preload('alice', { hang: { pid: alice.pid, ms: DURATION_MS + 5000 } }),
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease/],
  },
  {
    name: 'starved: it runs for 4 of 400 milliseconds',
    why: REASONS.supervisor,
    work: stubborn,
    async inject({ alice, finish }) {
      for (let turn = 0; turn < 30; turn++) {
        alice.kill('SIGSTOP');
        await sleep(396);
        alice.kill('SIGCONT');
        await sleep(4);
      }
      finish('alice');
    },
    outcome: 'ends',
    code: [0, EXIT.lost.code],
  },
  {
    name: 'starved while it reaches no API server',
    why: REASONS.supervisor,
    work: stubborn,
    async inject({ alice, proxy }) {
      proxy.set(() => silence);
      for (let turn = 0; turn < 20; turn++) {
        alice.kill('SIGSTOP');
        await sleep(396);
        alice.kill('SIGCONT');
        await sleep(4);
      }
    },
    outcome: 'ends',
    code: EXIT.lost.code,
    says: [/lost Lease/],
  },
  {
    name: 'stopped during its claim, until another has held the lock',
    why: REASONS.confirmed,
    inject: () => {},
    outcome: 'goes on',
    code: 0,
    async after(story) {
      const { proxy } = story;
      const carol = story.guard('carol', { through: 'proxy', how: { livesMs: 100 } });
      let stopped = false;
      proxy.set(({ verb }) => async (exchange) => {
        if (verb === 'write' && !stopped) {
          stopped = true;
          carol.kill('SIGSTOP');
        }
        await pass(exchange);
      });
      await until(
        () => stopped,
        () => `carol does not claim: ${carol.stderr}`,
      );
      const dave = await story.guard('dave', { how: { livesMs: 100 } }).finished;
      assert.equal(dave.code, 0, dave.stderr);
      assert.deepEqual(startedBy(story, 'carol'), []);
      carol.kill('SIGCONT');
      assert.equal((await carol.finished).code, 0);
      assert.equal(startedBy(story, 'carol').length, 1);
    },
  },
];

describe('guard', { concurrency: 4 }, () => cellTests('guard', cells));
