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

interface Cable {
  mode: Mode;
  readonly pairs: Set<Pair>;
  readonly sockets: Set<Socket>;
}

export async function wireTo(url: string): Promise<Wire> {
  const { hostname, port } = new URL(url);
  const cable: Cable = { mode: { kind: 'pass' }, pairs: new Set(), sockets: new Set() };
  const server = createServer((near) => take(cable, near, () => connect(Number(port), hostname)));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const resetAll = () => {
    for (const { near } of cable.pairs) near.resetAndDestroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    blackhole() {
      cable.mode = { kind: 'blackhole' };
      for (const pair of cable.pairs) pair.dead = true;
    },
    reset() {
      cable.mode = { kind: 'reset' };
      resetAll();
    },
    resetOnce: resetAll,
    delay(ms) {
      cable.mode = { kind: 'delay', ms };
    },
    heal() {
      cable.mode = { kind: 'pass' };
    },
    async close() {
      for (const socket of cable.sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** A new connection: it is carried to the other side, or stays without one. */
function take(cable: Cable, near: Socket, dial: () => Socket): void {
  const { kind } = cable.mode;
  keep(cable, near);
  if (kind === 'blackhole' || kind === 'reset') {
    near.on('data', () => kind === 'reset' && near.resetAndDestroy());
    near.on('error', () => {});
    return;
  }
  const pair: Pair = { near, far: keep(cable, dial()), dead: false };
  cable.pairs.add(pair);
  carry(cable, pair, { from: near, to: pair.far });
  carry(cable, pair, { from: pair.far, to: near });
}

function keep({ sockets }: Cable, socket: Socket): Socket {
  sockets.add(socket);
  return socket.on('close', () => sockets.delete(socket));
}

function carry(cable: Cable, pair: Pair, { from, to }: { from: Socket; to: Socket }): void {
  from.on('data', (data) => {
    const { mode } = cable;
    if (pair.dead || mode.kind === 'blackhole') {
      pair.dead = true;
      return;
    }
    if (mode.kind === 'delay') setTimeout(() => to.write(data), mode.ms).unref();
    else to.write(data);
  });
  from.on('error', () => {}); // 'close' follows.
  from.on('close', () => {
    cable.pairs.delete(pair);
    // Whoever is cut off must not learn that the other side has closed; the API server may.
    if (!pair.dead || from === pair.near) to.destroy();
  });
}
