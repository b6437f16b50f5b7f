/** Signals to the guard, kept from killing it: the guard decides what becomes of them. */
import { constants } from 'node:os';
import type { SupervisorLink } from './supervisor/link.ts';

/** Those that end a wait, as they would end any other program; all of FORWARDED reach the command once it runs. */
const ENDING: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'];
const FORWARDED: readonly NodeJS.Signals[] = [...ENDING, 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGWINCH', 'SIGIO'];

export interface SignalInbox {
  /** Aborts, with the signal's name as its reason, at the first signal that ends a wait, or should end the command. */
  readonly ending: AbortSignal;
  /** From now on signals go to `receive`. */
  forwardTo(receive: (signal: NodeJS.Signals) => void): void;
  /** Gives the signals their usual meaning back. */
  close(): void;
}

export function openSignalInbox(): SignalInbox {
  const ending = new AbortController();
  let receive: (signal: NodeJS.Signals) => void = () => {};
  const listeners = FORWARDED.map((signal) => {
    const listener = () => {
      if (ENDING.includes(signal)) ending.abort(signal);
      receive(signal);
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  return {
    ending: ending.signal,
    forwardTo(next) {
      receive = next;
    },
    close() {
      for (const undo of listeners) undo();
    },
  };
}

/**
 * Where this process shares the terminal's foreground with its command, it stops and goes on with it, so that a shell sees one job. (Under `first` it
 * is `first` that does this.) SIGTTIN and SIGTTOU keep their meaning: with a handler, what raises them would be tried again for ever.
 */
export function stopWithCommand(link: SupervisorLink): () => void {
  let started = false;
  const stop = (signal: NodeJS.Signals) => {
    process.off('SIGTSTP', onStop);
    process.kill(process.pid, signal);
    process.on('SIGTSTP', onStop);
  };
  const onStop = () => {
    if (!started) stop('SIGTSTP'); // Once it runs, the command decides whether the job stops.
  };
  const onContinue = () => link.send({ kind: 'signal', signal: constants.signals.SIGCONT, unlessGroupHadIt: true });
  link.on('started', () => {
    started = true;
  });
  link.on('stopped', ({ signal }) => stop(signalName(signal)));
  process.on('SIGTSTP', onStop);
  process.on('SIGCONT', onContinue);
  return () => {
    process.off('SIGTSTP', onStop);
    process.off('SIGCONT', onContinue);
  };
}

/** Real-time signals have no name in Node: "SIG40". */
export function signalName(number: number): NodeJS.Signals {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return (found?.[0] ?? `SIG${number}`) as NodeJS.Signals;
}

/** A core of this process would take the place of the command's. */
const WITH_CORE: readonly NodeJS.Signals[] = [
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGSYS',
];

/** Ends this process by the signal that its command has ended by, so that whoever waits sees no difference. It returns where that is not possible. */
export function dieBy(number: number): void {
  const name = signalName(number);
  if (process.pid === 1 || WITH_CORE.includes(name)) return;
  process.removeAllListeners(name);
  process.kill(process.pid, number);
}
