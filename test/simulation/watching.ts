/** A simulated watch: it may lag, double, close, fall silent, begin with the past, or never come about. */
import type { WatchListener } from '../../src/api/lease-watch.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { type ClientOptions, IDLE_MS, SLOW_MS, type Surroundings } from './client.ts';

/** Some intermediary may keep a connection open, and alive to look at, that brings nothing any more. */
const FOR_EVER_MS = 24 * 3_600_000;

export interface Watching {
  onEvent: WatchListener['onEvent'];
  since: string | undefined;
}

export function watch(around: Surroundings, { process, author, deaf }: ClientOptions, { onEvent, since }: Watching): () => void {
  const { world, server, network, random, listen } = around;
  let over = false;
  let connection = 0;
  let unsubscribe = () => {};
  let seen = since;
  const troubled = (by: string, lasting: boolean) =>
    listen(world.now(), { type: 'troubled', author, source: 'watch', by, lasting });
  const hint = (lease: RawLease | undefined) => {
    listen(world.now(), { type: 'shown', author, lease, byAnswer: false });
    onEvent({ lease });
  };
  const reconnect = (afterMs: number) => {
    connection += 1;
    unsubscribe();
    world.at(world.now() + afterMs, connect);
  };
  const broken = (by: string, afterMs: number) => {
    troubled(by, true);
    reconnect(afterMs);
  };
  const connect = () => {
    if (over || !process.alive) return false;
    if (deaf) {
      troubled('no right to watch', true);
      return false;
    }
    const mine = connection;
    const unread: { lease: RawLease | undefined; version: string; slow: boolean }[] = [];
    let last = 0;
    const send = (lease: RawLease | undefined, version: string, lagMs: number) => {
      // One connection keeps the order: nothing overtakes what went before.
      last = Math.max(last + 1e-3, world.now() + lagMs);
      const slow = last - world.now() > SLOW_MS;
      if (slow) troubled('a slow watch event', true);
      world.at(last, () => {
        if (over || mine !== connection || network.isCutOff(author.name)) return false;
        // After a pause, too, one connection is read in its order.
        unread.push({ lease, version, slow });
        return process.deliver(() => {
          const next = unread.shift();
          if (over || mine !== connection || !next) return;
          seen = next.version;
          if (next.slow) troubled('a slow watch', false);
          hint(next.lease);
        });
      });
    };
    if (network.isCutOff(author.name)) {
      broken('cut off', random.between(1000, 5000));
      return false;
    }
    if (connection > 0) troubled('the watch is back', false);
    const missed = seen === undefined || network.watchForgets() ? undefined : server.since(seen);
    if (missed) for (const lease of missed) send(lease, lease?.metadata.resourceVersion ?? server.version, network.watchLagMs());
    else {
      // Starting anew says that something may have been missed, and tells nothing of a Lease that is gone.
      if (seen !== undefined) process.deliver(() => hint(undefined));
      const { lease } = server.get();
      if (lease) send(lease, server.version, network.watchLagMs());
    }
    unsubscribe = server.onCommit(({ after, write }) => {
      if (!process.alive) return unsubscribe();
      // Its API server starts anew, too.
      if (write.deed === 'restore') return broken('a restored etcd', random.between(200, 3000));
      if (network.isCutOff(author.name)) return broken('cut off', random.between(IDLE_MS / 2, IDLE_MS));
      const fate = network.watchFate();
      if (fate === 'closes') return broken('a closed watch', random.between(200, 3000));
      if (fate === 'falls-silent')
        return broken('a silent watch', random.chance(0.3) ? FOR_EVER_MS : random.between(IDLE_MS / 2, IDLE_MS));
      send(after, server.version, network.watchLagMs());
      if (fate === 'doubles') send(after, server.version, network.watchLagMs());
    });
    return true;
  };
  world.at(world.now() + random.between(2, 40), connect);
  return () => {
    over = true;
    unsubscribe();
  };
}
