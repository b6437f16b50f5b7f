/** `/held` for the kubelet's probes: 200 while the lock is held, else 503, each with a sentence. It listens on every address, since they come from outside. */
import { createServer, get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from '../../src/log.ts';

export interface HeldState {
  held: boolean;
  words: string;
}

export interface HeldPage {
  kind: 'serving';
  /** From now on this is asked for every answer. */
  tells(state: () => HeldState | Promise<HeldState>): void;
}

/** 0 takes a free port; which one is said in the log. */
export function serveHeld(port: number, log: Log): Promise<HeldPage | { kind: 'refused'; message: string }> {
  let state: () => HeldState | Promise<HeldState> = () => ({ held: false, words: 'waiting for the lock' });
  const answer = async (response: ServerResponse) => {
    const { held, words } = await state();
    // A probe is one question: a connection that is kept would outlive its container.
    response.writeHead(held ? 200 : 503, { 'content-type': 'text/plain', connection: 'close' }).end(`${words}\n`);
  };
  const server = createServer((request, response) => {
    if (request.url === '/held') void answer(response);
    else response.writeHead(404).end('here is /held\n');
  });
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve({
        kind: 'refused',
        message: `--probe-port ${port} can't be listened on: ${error.code} (docs/sidecar.md#the-port)`,
      }),
    );
    server.listen(port, () => {
      log('debug', `/held is at port ${(server.address() as AddressInfo).port}`, { event: 'held-page' });
      resolve({
        kind: 'serving',
        tells(next) {
          state = next;
        },
      });
    });
  });
}

/** Asks the page of this Pod. */
export function askHeld(port: number, timeoutMs: number): Promise<HeldState> {
  return new Promise((resolve) => {
    const no = (words: string) => resolve({ held: false, words });
    const options = { host: '127.0.0.1', port, path: '/held', agent: false, signal: AbortSignal.timeout(timeoutMs) };
    const request = get(options, (response) => {
      let words = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        words += text;
      });
      response.on('error', (error) => no(error.message));
      response.on('end', () => resolve({ held: response.statusCode === 200, words: words.trim() }));
    });
    request.on('error', (error: NodeJS.ErrnoException) =>
      no(
        error.code === 'ECONNREFUSED'
          ? `nothing answers at port ${port}: is "k8s-lease-lock hold" running in this Pod?`
          : error.message,
      ),
    );
  });
}
