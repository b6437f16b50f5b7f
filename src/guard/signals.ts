/** Signals to the guard, kept from killing it: the guard decides what becomes of them. */
import { constants } from 'node:os';

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

export function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : constants.signals[signal];
}
