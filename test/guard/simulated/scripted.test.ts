/** Single encounters of the guard with a supervisor that says what a test has written down. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GuardOutcome, guard } from '../../../src/guard/guard.ts';
import type { Opened, SupervisorLink } from '../../../src/guard/supervisor/link.ts';
import { createMailbox } from '../../../src/guard/supervisor/mailbox.ts';
import type { FromSupervisor, ToSupervisor } from '../../../src/guard/supervisor/protocol.ts';
import { world } from '../../harness/contenders.ts';
import { SECOND } from '../../harness/manual-clock.ts';

type Script = { [kind in ToSupervisor['kind']]?: FromSupervisor[] };

interface Circumstances {
  meanwhile?: () => void;
  /** In place of a supervisor. */
  opened?: Opened;
  /** Bob has the lock. */
  held?: boolean;
  argv?: [string, ...string[]];
  /** The supervisor has ended before anything was asked for. */
  ended?: boolean;
}

interface Played {
  outcome: GuardOutcome;
  /** By the supervisor, of the guard. */
  heard: ToSupervisor[];
  /** To people. */
  said: string[];
  /** To the API server. */
  requests: string[];
}

/** One that answers each message as the script says, and all others as if all went well. */
function supervisorOf(
  script: Script,
  { nowMs, ended }: { nowMs: number; ended: boolean },
): { link: SupervisorLink; heard: ToSupervisor[] } {
  const mailbox = createMailbox(new AbortController().signal);
  const heard: ToSupervisor[] = [];
  const answers: Script = {
    prepare: [{ kind: 'ready', pid: 5_000_000 }],
    clock: [{ kind: 'clock', nowMs: nowMs }],
    start: [{ kind: 'started', pid: 5_000_000 }],
    ...script,
  };
  const send = (...messages: ToSupervisor[]) => {
    for (const message of messages) {
      heard.push(message);
      for (const answer of answers[message.kind] ?? []) mailbox.hear(answer);
    }
  };
  const hello = { kind: 'hello', version: 1, nowMs: 0, sharesTerminal: false, underFirst: true, findsAll: true } as const;
  mailbox.hear(hello);
  const over = ended ? AbortSignal.abort() : new AbortController().signal;
  return { heard, link: { ...mailbox, commandAt: 0, send, revive() {}, ended: over, end: async () => {} } };
}

async function play(
  script: Script,
  { meanwhile = () => {}, opened, held = false, argv = ['/bin/true'], ended = false }: Circumstances = {},
): Promise<Played> {
  const { clock, contender, requests } = world();
  if (held) await contender('bob').take();
  requests.length = 0;
  const said: string[] = [];
  const alice = contender('alice');
  const { link, heard } = supervisorOf(script, { nowMs: clock.now(), ended });
  let outcome: GuardOutcome | undefined;
  void guard({
    participants: [alice.participant],
    argv,
    env: {},
    timeoutMs: undefined,
    onBusy: 'wait',
    whenLost: 'stop',
    orphans: 'stop',
    openSupervisor: async () => opened ?? { kind: 'opened', link },
    log: Object.assign((_: unknown, text: string) => void said.push(text), { flush: async () => {}, live: undefined }),
    logFormat: 'text',
    onEvent() {},
  }).then((ended) => {
    outcome = ended;
  });
  await clock.advance(SECOND);
  meanwhile();
  for (let at = 0; at < 100 && !outcome; at++) await clock.advance(SECOND);
  assert.ok(outcome, 'the guard ends');
  return { outcome, heard, said, requests };
}

test('a command that its supervisor has stopped at the deadline was lost, also if the guard has renewed since', async () => {
  const killed = { kind: 'killed', signal: 15, left: 0 } as const;
  const { outcome } = await play({
    start: [{ kind: 'started', pid: 5_000_000 }, { kind: 'terminating', reason: 'deadline' }, killed, { kind: 'allGone' }],
  });
  assert.equal(outcome.kind, 'lost');
});

test('a supervisor that says nothing is not waited for once a signal has come', async () => {
  const { outcome, heard } = await play({ prepare: [] }, { meanwhile: () => void process.emit('SIGHUP') });
  assert.deepEqual(outcome, { kind: 'interrupted', signal: 'SIGHUP' });
  assert.deepEqual(
    heard.filter(({ kind }) => kind === 'start'),
    [],
  );
});

test('there is a deadline before the word to start', async () => {
  const { heard, outcome } = await play({
    start: [{ kind: 'started', pid: 5_000_000 }, { kind: 'exited', code: 3, left: 0 }, { kind: 'allGone' }],
  });
  assert.deepEqual(outcome, { kind: 'ended', end: { code: 3 } });
  const kinds = heard.map(({ kind }) => kind);
  assert.ok(kinds.indexOf('deadline') > 0 && kinds.indexOf('deadline') < kinds.indexOf('start'), kinds.join());
});

test('a command whose start comes too late is a lost lock, and one that cannot start says why', async () => {
  const { errno } = (await import('node:os')).constants;
  const late = await play({ start: [{ kind: 'cannotStart', errno: errno.ETIMEDOUT }] });
  assert.equal(late.outcome.kind, 'lost');
  const busy = await play({ start: [{ kind: 'cannotStart', errno: errno.ETXTBSY }] });
  assert.deepEqual([busy.outcome.kind, 'problem' in busy.outcome && busy.outcome.problem], ['not-started', 'cannot-execute']);
  const absent = await play({ prepare: [{ kind: 'cannotStart', errno: errno.EACCES }] });
  assert.equal(absent.outcome.kind, 'not-started');
  assert.deepEqual(
    absent.heard.filter(({ kind }) => kind === 'start'),
    [],
  );
});

test('a process that cannot be stopped, and a caller that is gone, are told', async () => {
  const { outcome, said } = await play({
    start: [
      { kind: 'started', pid: 5_000_000 },
      { kind: 'cannotKill', pid: 77, uid: 0 },
      { kind: 'terminating', reason: 'callerGone' },
      { kind: 'killed', signal: 15, left: 0 },
      { kind: 'allGone' },
    ],
  });
  assert.equal(outcome.kind, 'ended');
  assert.ok(
    said.some((words) => /^process 77 of user 0 cannot be signalled/.test(words)),
    said.join('\n'),
  );
  assert.ok(
    said.some((words) => /killed: stopping the command/.test(words)),
    said.join('\n'),
  );
});

for (const [message, start] of [
  ['the kernel does not take so many arguments', 'too-long'],
  ['there is no supervisor', 'refused'],
] as const) {
  test(`a command whose supervisor cannot be opened (${start}) asks for no lock`, async () => {
    const { outcome, requests } = await play({}, { opened: { kind: start, message } });
    assert.deepEqual([outcome.kind, requests], [start === 'refused' ? 'unsupervised' : 'not-started', []]);
    assert.match('message' in outcome ? outcome.message : '', new RegExp(message));
  });
}

test('a supervisor that ends while the guard waits ends the wait', async () => {
  const { outcome } = await play(
    {
      prepare: [
        { kind: 'ready', pid: 5_000_000 },
        { kind: 'terminating', reason: 'callerGone' },
      ],
    },
    { held: true },
  );
  assert.equal(outcome.kind, 'unsupervised');
});

test('a supervisor that has ended before the guard asks for the lock ends the guard', async () => {
  const { outcome } = await play({}, { ended: true });
  assert.equal(outcome.kind, 'unsupervised');
});

test('a command that is not found is told from one whose interpreter is missing', async () => {
  const { ENOENT } = (await import('node:os')).constants.errno;
  const prepare = [{ kind: 'cannotStart', errno: ENOENT } as const];
  const told = async (argv: [string]) => {
    const { outcome } = await play({ prepare }, { argv });
    return outcome.kind === 'not-started' ? `${outcome.problem}: ${outcome.message}` : outcome.kind;
  };
  assert.match(await told(['/bin/true']), /^cannot-execute: .*interpreter does not exist/);
  assert.match(await told(['no-such-command']), /^not-found: no-such-command: command not found/);
});
