#!/usr/bin/env node
import { isSea } from 'node:sea';
import { isStuckWriting } from '../src/log.ts';
import { VERSION } from '../src/version.ts';
import { visible } from '../src/visible.ts';
/** The command line: which command it is. Each has a file of its own under commands/, loaded only when it is the one. */
import { EXIT } from './exit-codes.ts';
import { nearest } from './nearest.ts';
import { printLine, write } from './stdout.ts';

type Run = (argv: readonly string[], env: NodeJS.ProcessEnv) => Promise<number>;

interface Command {
  summary: string;
  /** Loads its file, and runs it. */
  run: Run;
}

/** In the order in which help lists them. */
const COMMANDS: Record<string, Command> = {
  run: {
    summary: 'run a command under a lock of a Kubernetes cluster',
    run: async (...given) => (await import('./commands/run.ts')).run(...given),
  },
  hold: {
    summary: 'hold a lock for the other containers of a Pod, as its sidecar',
    run: async (...given) => (await import('./commands/hold.ts')).hold(...given),
  },
  probe: {
    summary: 'check whether that sidecar holds the lock',
    run: async (...given) => (await import('./commands/probe.ts')).probe(...given),
  },
  acquire: {
    summary: 'take a lock that "release" releases; it is not renewed',
    run: async (...given) => (await import('./commands/acquire.ts')).acquire(...given),
  },
  release: {
    summary: 'release a lock taken by "acquire"',
    run: async (...given) => (await import('./commands/release.ts')).release(...given),
  },
  status: {
    summary: 'show who holds locks, whether the holders are alive, who waits, and what happens next',
    run: async (...given) => (await import('./commands/status.ts')).status('status', ...given),
  },
  list: {
    summary: 'show locks, a line for each',
    run: async (...given) => (await import('./commands/status.ts')).status('list', ...given),
  },
  unlock: {
    summary: 'ask a holder to release a lock, or clear it by force',
    run: async (...given) => (await import('./commands/unlock.ts')).unlock(...given),
  },
  queue: {
    summary: 'show who waits for a lock, remove a waiter, or move it',
    run: async (...given) => (await import('./commands/queue.ts')).queue(...given),
  },
  verify: {
    summary: 'check whether a holder still has its lock',
    run: async (...given) => (await import('./commands/verify.ts')).verify(...given),
  },
  doctor: {
    summary: 'check whether a lock can work from here, and how to fix what is wrong',
    run: async (...given) => (await import('./commands/doctor.ts')).doctor(...given),
  },
  rbac: {
    summary: 'print the least Role and RoleBinding for a lock, for kubectl apply',
    run: async (...given) => (await import('./commands/rbac.ts')).rbac(...given),
  },
  inject: {
    summary: 'print manifests with annotated Pods guarded, for kubectl apply',
    run: async (...given) => (await import('./commands/inject.ts')).inject(...given),
  },
  install: {
    summary: 'copy the guard into a volume, for a container of another image',
    run: async (...given) => (await import('./commands/install.ts')).install(...given),
  },
  serve: {
    summary: 'run a small server for Leases, for laptops, demos and tests (not a cluster)',
    run: async (...given) => (await import('./commands/serve.ts')).serve(...given),
  },
  demo: {
    summary: 'show three guards and one lock: who waits, who runs when',
    run: async (...given) => (await import('./commands/demo.ts')).demo(...given),
  },
};

const USAGE = `Usage: k8s-lease-lock COMMAND [options]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(9)}${summary}`)
  .join('\n')}

  k8s-lease-lock help COMMAND      show the options of a command (also COMMAND --help)
  k8s-lease-lock version           show the version (also -V, --version)
`;

/** Not for people: see `exit`. */
const EXIT_WITH = 'exit-with';

async function main([command, ...argv]: string[]): Promise<number> {
  switch (command) {
    case EXIT_WITH:
      return Number(argv[0]);
    case '-V':
    case '--version':
    case 'version':
      await printLine(VERSION);
      return 0;
    case '-h':
    case '--help':
    case 'help':
      if (argv[0] !== undefined) return await runNamed(argv[0], ['--help']);
      await write(USAGE);
      return 0;
    case undefined:
      process.stderr.write(USAGE);
      return EXIT.usage.code;
    default:
      return await runNamed(command, argv);
  }
}

async function runNamed(name: string, argv: readonly string[]): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command) return await command.run(argv, process.env);
  const near = nearest(name, Object.keys(COMMANDS));
  const unknown = `unknown ${name.startsWith('-') ? 'option' : 'command'} "${name}"${near ? `: did you mean "${near}"?` : ''}`;
  process.stderr.write(`k8s-lease-lock: ${visible(unknown)}\n\n${USAGE}`);
  return EXIT.usage.code;
}

exit(await main(process.argv.slice(2)));

/** process.exit() waits for a thread that writes to a pipe which nobody reads; this process's successor has none. */
function exit(code: number): void {
  const own = isSea() ? [process.execPath] : [process.execPath, process.argv[1] ?? ''];
  if (isStuckWriting() && process.platform !== 'win32') process.execve?.(process.execPath, [...own, EXIT_WITH, String(code)], {});
  process.exit(code);
}
