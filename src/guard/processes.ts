/**
 * Which processes belong to a command: those of its process group and of its session. The dead that nobody has reaped don't count: they run
 * no code any more. Not seen: a process that has left both (src/guard can't wait for what it can't find).
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Process ids that are alive; `leader` is the id of the command, of its group and of its session. */
export function livingMembers(leader: number): number[] {
  if (process.platform !== 'linux') return isGroupAlive(leader) ? [leader] : [];
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return isGroupAlive(leader) ? [leader] : []; // A container without /proc: the kernel still answers for the group.
  }
  return pids.map(Number).filter((pid) => {
    const stat = readStat(pid);
    return stat !== undefined && (stat.group === leader || stat.session === leader) && stat.state !== 'Z' && stat.state !== 'X';
  });
}

/** Sends a signal to the whole group, and to those of the session that made groups of their own. */
export function signalMembers(leader: number, signal: NodeJS.Signals): void {
  send(-leader, signal);
  for (const pid of livingMembers(leader)) if (readStat(pid)?.group !== leader) send(pid, signal);
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    // ESRCH: it has gone by itself. EPERM: some of the group run as another user; whoever could be signalled was.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

function isGroupAlive(leader: number): boolean {
  try {
    process.kill(-leader, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readStat(pid: number): { state: string; group: number; session: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything, parentheses and spaces too: what follows its last one is regular.
    const [state = '', , group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, group: Number(group), session: Number(session) };
  } catch {
    return undefined; // Gone between listing and reading.
  }
}
