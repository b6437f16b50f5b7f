/**
 * A cable between one guard and the API server that can be cut: TCP, byte for byte, TLS and all. What it says by itself is nothing, so
 * that a guard sees what it would see of a network in trouble.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface Wire {
  /** Port on loopback in front of the API server. */
  port: number;
  /** Connections stay open, and nothing comes through either way: half-open. New ones are taken, and get no answer. */
  blackhole(): void;
  /** All connections are reset; so are new ones, as soon as they say something. */
  reset(): void;
  /** All connections are reset once; new ones pass. */
  resetOnce(): void;
  /** Whatever is sent from now on, on any connection, arrives so much later, each way. */
  delay(ms: number): void;
  /** New connections pass again. Those that were cut stay dead. */
  heal(): void;
  close(): Promise<void>;
}

type Mode = { kind: 'pass' } | { kind: 'blackhole' } | { kind: 'reset' } | { kind: 'delay'; ms: number };

interface Pair {
  near: Socket;
  far: Socket;
  dead: boolean;
}

export async function wireTo(url: string): Promise<Wire> {
  const { hostname, port } = new URL(url);
  const pairs = new Set<Pair>();
  const sockets = new Set<Socket>();
  let mode: Mode = { kind: 'pass' };

  const carry = (pair: Pair, from: Socket, to: Socket) => {
    from.on('data', (data) => {
      if (pair.dead || mode.kind === 'blackhole') {
        pair.dead = true;
        return;
      }
      if (mode.kind === 'delay') setTimeout(() => to.write(data), mode.ms).unref();
      else to.write(data);
    });
    from.on('error', () => {}); // 'close' follows.
    from.on('close', () => {
      pairs.delete(pair);
      // Whoever is cut off must not learn that the other side has closed; the API server may.
      if (!pair.dead || from === pair.near) to.destroy();
    });
  };
  const kept = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    kept(near);
    if (mode.kind === 'blackhole' || mode.kind === 'reset') {
      const resets = mode.kind === 'reset';
      near.on('data', () => resets && near.resetAndDestroy());
      near.on('error', () => {});
      return;
    }
    const pair: Pair = { near, far: kept(connect(Number(port), hostname)), dead: false };
    pairs.add(pair);
    carry(pair, near, pair.far);
    carry(pair, pair.far, near);
  });
  const resetAll = () => {
    for (const { near } of pairs) near.resetAndDestroy();
  };
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    port: (server.address() as { port: number }).port,
    blackhole() {
      mode = { kind: 'blackhole' };
      for (const pair of pairs) pair.dead = true;
    },
    reset() {
      mode = { kind: 'reset' };
      resetAll();
    },
    resetOnce: resetAll,
    delay(ms) {
      mode = { kind: 'delay', ms };
    },
    heal() {
      mode = { kind: 'pass' };
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}
