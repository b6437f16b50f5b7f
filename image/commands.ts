/** Every command by its name. Its file is loaded only when it is the one: a guard starts with every job. */
import type { CommandLineShape } from './command-line.ts';

export interface Command {
  /** Returns the exit code. */
  run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number>;
  shape: CommandLineShape;
}

interface Entry {
  summary: string;
  load(): Promise<Command>;
}

/** In the order in which help lists them. */
export const COMMANDS: Record<string, Entry> = {
  run: {
    summary: 'run a command under a lock of a Kubernetes cluster',
    load: () => import('./commands/run.ts').then(({ run, SHAPE }) => ({ run, shape: SHAPE })),
  },
  hold: {
    summary: 'hold a lock for the other containers of a Pod, as its sidecar',
    load: () => import('./commands/hold.ts').then(({ hold, SHAPE }) => ({ run: hold, shape: SHAPE })),
  },
  probe: {
    summary: 'check whether that sidecar holds the lock',
    load: () => import('./commands/probe.ts').then(({ probe, SHAPE }) => ({ run: probe, shape: SHAPE })),
  },
  acquire: {
    summary: 'take a lock that "release" releases; it is not renewed',
    load: () => import('./commands/acquire.ts').then(({ acquire, SHAPE }) => ({ run: acquire, shape: SHAPE })),
  },
  release: {
    summary: 'release a lock taken by "acquire"',
    load: () => import('./commands/release.ts').then(({ release, SHAPE }) => ({ run: release, shape: SHAPE })),
  },
  status: {
    summary: 'show who holds locks, whether the holders are alive, who waits, and what happens next',
    load: () => loadStatus('status'),
  },
  list: {
    summary: 'show locks, a line for each',
    load: () => loadStatus('list'),
  },
  unlock: {
    summary: 'ask a holder to release a lock, or clear it by force',
    load: () => import('./commands/unlock.ts').then(({ unlock, SHAPE }) => ({ run: unlock, shape: SHAPE })),
  },
  ui: {
    summary: 'show all of that on a web page, as it changes',
    load: () => import('./commands/ui.ts').then(({ ui, SHAPE }) => ({ run: ui, shape: SHAPE })),
  },
  queue: {
    summary: 'show who waits for a lock, remove a waiter, or move it',
    load: () => import('./commands/queue.ts').then(({ queue, SHAPE }) => ({ run: queue, shape: SHAPE })),
  },
  set: {
    summary: 'change how many permits a lock has, for those that share it',
    load: () => import('./commands/set.ts').then(({ set, SHAPE }) => ({ run: set, shape: SHAPE })),
  },
  verify: {
    summary: 'check whether a holder still has its lock',
    load: () => import('./commands/verify.ts').then(({ verify, SHAPE }) => ({ run: verify, shape: SHAPE })),
  },
  doctor: {
    summary: 'check whether a lock can work from here, and how to fix what is wrong',
    load: () => import('./commands/doctor.ts').then(({ doctor, SHAPE }) => ({ run: doctor, shape: SHAPE })),
  },
  completion: {
    summary: 'print a script with which a shell completes commands, options and names',
    load: () => import('./commands/completion.ts').then(({ completion, SHAPE }) => ({ run: completion, shape: SHAPE })),
  },
  rbac: {
    summary: 'print the least Role and RoleBinding for a lock, for kubectl apply',
    load: () => import('./commands/rbac.ts').then(({ rbac, SHAPE }) => ({ run: rbac, shape: SHAPE })),
  },
  inject: {
    summary: 'print manifests with annotated Pods guarded, for kubectl apply',
    load: () => import('./commands/inject.ts').then(({ inject, SHAPE }) => ({ run: inject, shape: SHAPE })),
  },
  install: {
    summary: 'copy the guard into a volume, for a container of another image',
    load: () => import('./commands/install.ts').then(({ install, SHAPE }) => ({ run: install, shape: SHAPE })),
  },
  serve: {
    summary: 'run a small server for Leases, for laptops, demos and tests (not a cluster)',
    load: () => import('./commands/serve.ts').then(({ serve, SHAPE }) => ({ run: serve, shape: SHAPE })),
  },
  demo: {
    summary: 'show three guards and one lock: who waits, who runs when',
    load: () => import('./commands/demo.ts').then(({ demo, SHAPE }) => ({ run: demo, shape: SHAPE })),
  },
};

async function loadStatus(command: 'status' | 'list'): Promise<Command> {
  const { SHAPES, status } = await import('./commands/status.ts');
  return { run: (...given) => status(command, ...given), shape: SHAPES[command] };
}
