/** What people write who know other programs, and what they mean by it here. */
import { nearest } from './nearest.ts';
import type { Option } from './option.ts';

/** Options of flock(1), consul lock, and other versions of the same idea. Only where the command has no option of that name. */
const HABITS: Record<string, string> = {
  '-w': 'to wait for a limited time, use --timeout, such as --timeout 5s',
  '--wait': 'to wait for a limited time, use --timeout, such as --timeout 5s',
  '--nonblock': 'not to wait, use --on-busy fail',
  '--nb': 'not to wait, use --on-busy fail',
  '-x': 'a lock is always exclusive',
  '--exclusive': 'a lock is always exclusive',
  '-s': 'a lock is always exclusive',
  '--shared': 'a lock is always exclusive',
  '-c': "for a shell line, use -- sh -c '...'",
  '--command': "for a shell line, use -- sh -c '...'",
  '--lock': 'the lock is named by --name',
  '--lease': 'the lock is named by --name',
  '--ttl': 'how long the lock outlives a dead guard is --lease-duration',
};

/** `written` with its dashes. */
export function unknownOption(written: string, options: readonly Option[]): string {
  const habit = HABITS[written];
  const near = written.startsWith('--')
    ? nearest(
        written.slice(2),
        options.map(({ name }) => name),
      )
    : undefined;
  const hint = habit ?? (near && `did you mean --${near}?`);
  return `unknown option ${written}${hint ? `: ${hint}` : ''}`;
}

/** An argument where none belongs: often the name of the lock. */
export function unexpectedArgument(argument: string, options: readonly Option[], nameIsGiven: boolean): string {
  const named = options.some(({ name }) => name === 'name') && !nameIsGiven;
  return `unexpected argument "${argument}"${named ? `: the lock is named by --name ${argument}` : ''}`;
}

/** A command that was not found, and was given as a line for a shell. */
export function shellLineHint(argv: readonly string[]): string {
  const [line = '', ...more] = argv;
  return more.length === 0 && /[\s;&|<>]/.test(line)
    ? `. It looks like a line for a shell: use -- sh -c '${line.replaceAll("'", "'\\''")}'`
    : '';
}
