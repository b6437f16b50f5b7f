/** What the guard's exit code says, the one table of it: README and tests quote it. Numbers as in sysexits.h where it has one. */
export const EXIT = {
  usage: { code: 64, when: 'bad usage: an unknown option, a value that is none, no command' },
  unreachable: { code: 69, when: 'the API server could not be reached in time' },
  notAcquired: { code: 75, when: 'not acquired in time, or busy with `--on-busy fail` (`-E` changes this code)' },
  lost: { code: 76, when: 'the lock was lost, and the command was stopped' },
  refused: { code: 77, when: 'the API server refused: credentials (401) or rights (403)' },
  configuration: {
    code: 78,
    when: 'bad configuration: durations that can not hold, no cluster, no such namespace, a lock of another kind',
  },
  stopped: { code: 79, when: 'stopped on request: somebody asked the holder to give the lock up' },
  cannotExecute: { code: 126, when: 'the command was found but can not be executed' },
  notFound: { code: 127, when: 'the command was not found' },
} as const;

/** As a shell reports it. */
export const SIGNALLED = 128;
