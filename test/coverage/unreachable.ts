/** Branches that no test visits, and why. What the type checker proves to be unreachable needs no row. */
import type { Branch } from './branches.ts';

interface Unreachable {
  /** In src/. */
  file: string;
  /** The first words of the branch. */
  text: string;
  why: string;
}

const GIVEN = 'the type allows for less than is ever given';

const LATE = 'one try whose own late claim lands over the holder of a deleted Lease';

const BOTH = 'one lock of several is lost, and the wait is ended, while the last of them is acquired';

const UNREACHABLE: readonly Unreachable[] = [
  { file: 'lock/acquire.ts', text: 'return undefined;', why: 'a read that was answered has given a view' },
  { file: 'lock/hold.ts', text: "?? '0'", why: 'the API server gives every Lease a version' },
  {
    file: 'lock/one-try.ts',
    text: '? decision.until',
    why: LATE,
  },
  {
    file: 'lock/renew.ts',
    text: 'return;',
    why: 'after each await it is looked anew whether the hold is over: too seldom for a seed',
  },
  { file: 'lock/one-try.ts', text: '?? view', why: GIVEN },
  { file: 'lock/held.ts', text: 'return;', why: 'a hold that is lost twice, between two lines' },
  { file: 'lock/several.ts', text: '?.aborted', why: BOTH },
  { file: 'lock/several.ts', text: "return { kind: 'aborted', of: next }", why: BOTH },
  { file: 'lock/wait.ts', text: '?? 0', why: GIVEN },
  { file: 'protocol/room.ts', text: '?? permits', why: GIVEN },
  { file: 'protocol/turns.ts', text: '?? { firstAt', why: GIVEN },
  { file: 'protocol/turns.ts', text: '?? now', why: GIVEN },
  { file: 'protocol/writes.ts', text: '?.acquireTime', why: 'a Lease in which somebody holds has a spec' },
  {
    file: 'guard/guard.ts',
    text: 'return lostOf(lock);',
    why: 'a hold that is over between two lines, by a process that was stopped',
  },
  {
    file: 'guard/guard.ts',
    text: "return { kind: 'interrupted'",
    why: 'a signal between the last answer and the start: the wait would have been ended by it',
  },
  {
    file: 'guard/guard.ts',
    text: "case 'lost'",
    why: 'a loss that stops the command is told of before its other reasons are looked at',
  },
  { file: 'guard/inherited-fds.ts', text: 'catch { return []; // No /proc', why: 'outside Linux' },
  {
    file: 'guard/supervisor/link.ts',
    text: "return { kind: 'opened', link: linkOver(new Socket",
    why: 'the standalone executable, which is no source: test/manners runs all of its tests through it',
  },
  {
    file: 'guard/supervisor/link.ts',
    text: '(error) => [error]',
    why: 'once() rejects for an error only where it waits for another event',
  },
  { file: 'guard/supervisor/link.ts', text: 'catch { socket.destroy()', why: 'a supervisor that does not follow its own header' },
  { file: 'guard/supervisor/protocol.ts', text: '?? 0', why: GIVEN },
];

export interface Explained {
  /** Without a reason. */
  left: Branch[];
  /** Reasons for what is visited, or is no more. */
  stale: Unreachable[];
}

export function explained(unvisited: readonly Branch[]): Explained {
  const isFor = (row: Unreachable, { file, text }: Branch) => row.file === file && text.startsWith(row.text);
  return {
    left: unvisited.filter(
      (branch) => !branch.text.includes('satisfies never') && !UNREACHABLE.some((row) => isFor(row, branch)),
    ),
    stale: UNREACHABLE.filter((row) => !unvisited.some((branch) => isFor(row, branch))),
  };
}
