/**
 * The command of the fault tests: it writes a sign of life every few milliseconds, by the clock that all processes of a machine share,
 * and can be as badly behaved as commands are. `work` makes its argv; the shell in front of it looks, before anything else, whether a
 * process of another contender is still alive.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Work {
  ignoresTerm?: boolean;
  /** Processes that it starts, each as badly behaved as it says itself. `orphan`: its parent ends at once; `session`: it calls setsid. */
  children?: (Work & { orphan?: boolean; session?: boolean; withoutEnvironment?: boolean })[];
  closesDescriptors?: boolean;
  /** Its first process ends when the file `leave-…` is there. */
  leaves?: boolean;
  /** Stops itself (SIGSTOP), so that no TERM reaches it. */
  freezes?: boolean;
  /** Ends at the moment that the file `end-at` names. */
  endsInTime?: boolean;
  /** Ends by itself after so many milliseconds; else once it is told to. */
  livesMs?: number;
}

export interface Scene {
  folder: string;
  who: string;
}

const BEAT_MS = 15;

/**
 * Notes when it began to run: its process is older, since it is forked before the lock is there. Then it reads the list of processes that have
 * ever started here, and notes each one of another contender that is alive: not a zombie, and the same process (by its start time), not
 * another with its id. The preloaded faults of the guard are not for the command.
 */
const LOOK_AND_RUN = `
folder=$1 me=$2
unset NODE_OPTIONS
read -r up _ </proc/uptime
echo "$me $up" >>"$folder/runs"
while read -r who pid started; do
  if [ "$who" != "$me" ] && { read -r stat </proc/$pid/stat; } 2>/dev/null; then
    set -- \${stat##*) }
    case $1 in Z | X) ;; *) if [ "\${20}" = "$started" ]; then echo "$me saw $who alive: process $pid, state $1" >>"$folder/overlaps"; fi ;; esac
  fi
done 2>/dev/null <"$folder/processes"
`;

export function work({ folder, who }: Scene, how: Work): string[] {
  const closing = how.closesDescriptors ? 'exec 0<&- 1>&- 2>&-\n' : '';
  const run = `${LOOK_AND_RUN}${closing}exec "${process.execPath}" "${fileURLToPath(import.meta.url)}" "$folder" "$me" '${JSON.stringify(how)}'`;
  return ['sh', '-c', run, 'sh', folder, who];
}

function main([folder = '', who = '', how = '{}', kind = 'worker']: string[]): void {
  const options = JSON.parse(how) as Work;
  if (kind === 'parent') {
    start([folder, who, how], {});
    process.exit(0);
  }
  const note = (event: string) =>
    appendFileSync(`${folder}/life`, `${Number(process.hrtime.bigint()) / 1e6} ${who} ${process.pid} ${event}\n`);
  appendFileSync(`${folder}/processes`, `${who} ${process.pid} ${startTime()}\n`);
  note('start');
  if (options.ignoresTerm) process.on('SIGTERM', () => note('TERM'));
  process.on('SIGINT', () => {});
  for (const child of options.children ?? []) {
    const { orphan = false, session = false, withoutEnvironment = false, ...rest } = child;
    start([folder, who, JSON.stringify(rest), orphan ? 'parent' : 'worker'], { session, withoutEnvironment });
  }
  const startedAt = performance.now();
  setInterval(() => {
    note('beat');
    const told = existsSync(`${folder}/finish-${who}`);
    const over = options.livesMs !== undefined && performance.now() - startedAt >= options.livesMs;
    if (told || over || (options.leaves && existsSync(`${folder}/leave-${who}`))) process.exit(0);
    if (options.freezes && performance.now() - startedAt > 200) process.kill(process.pid, 'SIGSTOP');
    if (options.endsInTime && existsSync(`${folder}/end-at-${who}`))
      endAt(Number(readFileSync(`${folder}/end-at-${who}`, 'utf8')));
  }, BEAT_MS);
}

function start(args: string[], { session = false, withoutEnvironment = false }): void {
  const env = withoutEnvironment ? { PATH: process.env.PATH } : process.env;
  spawn(process.execPath, [fileURLToPath(import.meta.url), ...args], { stdio: 'ignore', detached: session, env }).unref();
}

/** Spins for the last of it: a timer would be late by as much as what is to be hit. */
function endAt(machineMs: number): void {
  const now = () => Number(process.hrtime.bigint()) / 1e6;
  if (machineMs - now() > 2 * BEAT_MS) return;
  while (now() < machineMs);
  process.exit(0);
}

function startTime(): string {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
