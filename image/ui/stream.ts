/** Server-sent events to one page: a page that reads slowly is sent everything again when it can, in place of all that it has missed. */
import type { ServerResponse } from 'node:http';
import type { Feed, Message } from './feed.ts';

/** Something on the way may close a connection on which nothing comes; and so it is seen that a page is gone. */
const BEAT_MS = 15_000;

export function stream(response: ServerResponse, feed: Feed): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  let full = false;
  const write = (text: string) => {
    full = !response.write(text);
  };
  let missed = false;
  const send = (message: Message) => {
    if (full) missed = true;
    else write(`data: ${JSON.stringify(message)}\n\n`);
  };
  response.on('drain', () => {
    full = false;
    if (!missed) return;
    missed = false;
    send(feed.everything());
  });
  const beat = setInterval(() => full || write(':\n\n'), BEAT_MS);
  const leave = feed.follow(send);
  response.on('close', () => {
    clearInterval(beat);
    leave();
  });
}
