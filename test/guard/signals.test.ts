/** Signals of this process: their names, and the job that a shell sees. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { type TestContext, test } from 'node:test';
import { dieBy, signalName, stopWithCommand } from '../../src/guard/signals.ts';
import type { SupervisorLink } from '../../src/guard/supervisor/link.ts';
import { createMailbox } from '../../src/guard/supervisor/mailbox.ts';
import type { ToSupervisor } from '../../src/guard/supervisor/protocol.ts';

test('a signal that has no name in Node is told by its number', () => {
  assert.deepEqual([signalName(15), signalName(40)], ['SIGTERM', 'SIG40']);
});

test('nobody dies by a signal that dumps a core: it would take the place of the command’s', () => {
  dieBy(constants.signals.SIGQUIT);
});

/** A guard that shares the terminal with its command: what it sends, and by which signals it stops itself. */
function job(t: TestContext) {
  const { hear, ...mailbox } = createMailbox(new AbortController().signal);
  const sent: ToSupervisor[] = [];
  const stops: unknown[] = [];
  t.mock.method(process, 'kill', (_: number, signal: NodeJS.Signals) => stops.push(signal));
  const send = (...messages: ToSupervisor[]) => void sent.push(...messages);
  t.after(stopWithCommand({ ...mailbox, send } as SupervisorLink));
  return { hear, sent, stops };
}

test('Ctrl-Z stops a guard that waits; once the command runs, the command decides', (t) => {
  const { hear, stops } = job(t);
  process.emit('SIGTSTP');
  assert.deepEqual(stops, ['SIGTSTP']);
  hear({ kind: 'started', pid: 5_000_000 });
  process.emit('SIGTSTP');
  assert.deepEqual(stops, ['SIGTSTP']);
  hear({ kind: 'stopped', signal: constants.signals.SIGSTOP });
  assert.deepEqual(stops, ['SIGTSTP', 'SIGSTOP']);
});

test('a job that goes on tells its command, unless the shell has', (t) => {
  const { sent } = job(t);
  process.emit('SIGCONT');
  assert.deepEqual(sent, [{ kind: 'signal', signal: constants.signals.SIGCONT, unlessGroupHadIt: true }]);
});
