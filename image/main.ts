#!/usr/bin/env node
import { isSea } from 'node:sea';
import { isStuckWriting } from '../src/log.ts';
import { VERSION } from '../src/version.ts';
/** The command line: which command it is. Each has a file of its own under commands/, loaded only when it is the one. */
import { EXIT } from './exit-codes.ts';

const USAGE = `Usage: k8s-lease-lock COMMAND [options]

  run      run a command under a lock of a Kubernetes cluster
  hold     hold a lock for the other containers of a Pod, as its sidecar
  probe    check whether that sidecar holds the lock
  acquire  take a lock that "release" releases; it is not renewed
  release  release a lock taken by "acquire"
  status   show who holds locks, whether the holders are alive, who waits, and what happens next
  list     show locks, a line for each
  unlock   ask a holder to release a lock, or clear it by force
  queue    show who waits for a lock, remove a waiter, or move it
  verify   check whether a holder still has its lock
  rbac     print the least Role and RoleBinding for a lock, for kubectl apply
  inject   print manifests with annotated Pods guarded, for kubectl apply
  install  copy the guard into a volume, for a container of another image
  serve    run a small server for Leases, for laptops, demos and tests (not a cluster)
  demo     show three guards and one lock: who waits, who runs when

  k8s-lease-lock COMMAND --help    show the options of a command
  k8s-lease-lock --version
`;

/** Not for people: see `exit`. */
const EXIT_WITH = 'exit-with';

async function main([command, ...argv]: string[]): Promise<number> {
  switch (command) {
    case 'run':
      return await (await import('./commands/run.ts')).run(argv, process.env);
    case 'hold':
      return await (await import('./commands/hold.ts')).hold(argv, process.env);
    case 'probe':
      return await (await import('./commands/probe.ts')).probe(argv, process.env);
    case 'acquire':
      return await (await import('./commands/acquire.ts')).acquire(argv, process.env);
    case 'release':
      return await (await import('./commands/release.ts')).release(argv, process.env);
    case 'status':
    case 'list':
      return await (await import('./commands/status.ts')).status(command, argv, process.env);
    case 'unlock':
      return await (await import('./commands/unlock.ts')).unlock(argv, process.env);
    case 'queue':
      return await (await import('./commands/queue.ts')).queue(argv, process.env);
    case 'verify':
      return await (await import('./commands/verify.ts')).verify(argv, process.env);
    case 'serve':
      return await (await import('./commands/serve.ts')).serve(argv);
    case 'demo':
      return await (await import('./commands/demo.ts')).demo(argv);
    case 'rbac':
      return await (await import('./commands/rbac.ts')).rbac(argv);
    case 'inject':
      return await (await import('./commands/inject.ts')).inject(argv);
    case 'install':
      return await (await import('./commands/install.ts')).install(argv);
    case EXIT_WITH:
      return Number(argv[0]);
    case '--version':
      process.stdout.write(`${VERSION}\n`);
      return 0;
    case '--help':
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    default:
      process.stderr.write(command === undefined ? USAGE : `k8s-lease-lock: unknown command "${command}"\n\n${USAGE}`);
      return EXIT.usage.code;
  }
}

exit(await main(process.argv.slice(2)));

/** process.exit() waits for a thread that writes to a pipe which nobody reads; this process's successor has none. */
function exit(code: number): void {
  const own = isSea() ? [process.execPath] : [process.execPath, process.argv[1] ?? ''];
  if (isStuckWriting() && process.platform !== 'win32') process.execve?.(process.execPath, [...own, EXIT_WITH, String(code)], {});
  process.exit(code);
}
