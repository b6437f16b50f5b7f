/**
 * A TCP balancer in front of several API servers, on loopback: it hands each new connection to the one that it prefers, or to another if that one does not
 * take it, and can cut all that are open, as a balancer does whose backend is drained. It sees nothing of what is inside TLS.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface Balancer {
  url: string;
  /** New connections go to this one. */
  prefer(backend: number): void;
  /** Cuts every connection; new ones go to this one. */
  moveTo(backend: number): void;
  /** How many connections this one has now. */
  open(backend: number): number;
}

export async function balance(t: TestContext, urls: readonly string[]): Promise<Balancer> {
  const ports = urls.map((url) => Number(new URL(url).port));
  const open = new Map<Socket, number>();
  let preferred = 0;
  const server = createServer((near) => {
    near.on('error', () => {}); // 'close' follows.
    void dial(near, [preferred, ...ports.keys()]);
  });
  const dial = async (near: Socket, [backend, ...others]: number[]): Promise<void> => {
    if (backend === undefined) return void near.destroy();
    const far = connect(ports[backend] ?? 0, '127.0.0.1');
    const refused = await once(far, 'connect').then(
      () => false,
      () => true,
    );
    if (refused) return await dial(near, others);
    far.on('error', () => {}).on('close', () => near.destroy());
    near.on('close', () => {
      open.delete(near);
      far.destroy();
    });
    open.set(near, backend);
    near.pipe(far).pipe(near);
  };
  const cut = () => {
    for (const socket of open.keys()) socket.resetAndDestroy();
  };
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    cut();
    server.close();
  });
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    prefer(backend) {
      preferred = backend;
    },
    moveTo(backend) {
      preferred = backend;
      cut();
    },
    open: (backend) => [...open.values()].filter((one) => one === backend).length,
  };
}
