/** What a supervisor has said: each first message of a kind is kept, so that nobody has to listen before it comes. */
import type { FromSupervisor } from './protocol.ts';

export type Kind = FromSupervisor['kind'];
export type Message<K extends Kind> = Extract<FromSupervisor, { kind: K }>;

export interface Mailbox {
  hear(message: FromSupervisor): void;
  /** The first message of a kind, also if it has come already; undefined once the supervisor has ended without. */
  first<K extends Kind>(kind: K): Promise<Message<K> | undefined>;
  /** Calls `receive` for each message of a kind that comes from now on. */
  on<K extends Kind>(kind: K, receive: (message: Message<K>) => void): void;
}

export function createMailbox(ended: AbortSignal): Mailbox {
  const seen = new Map<Kind, FromSupervisor>();
  const listeners: ((message: FromSupervisor) => void)[] = [];
  return {
    hear(message) {
      if (!seen.has(message.kind)) seen.set(message.kind, message);
      for (const listener of [...listeners]) listener(message);
    },
    first: <K extends Kind>(kind: K) =>
      new Promise<Message<K> | undefined>((resolve) => {
        const known = seen.get(kind);
        if (known || ended.aborted) return resolve(known as Message<K> | undefined);
        listeners.push((message) => message.kind === kind && resolve(message as Message<K>));
        ended.addEventListener('abort', () => resolve(undefined), { once: true });
      }),
    on: (kind, receive) => void listeners.push((message) => message.kind === kind && receive(message as never)),
  };
}
