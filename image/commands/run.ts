/** `k8s-lease-lock run`: a command under a lock. Reads its settings, finds the cluster, and hands both to the guard. */
import { hostname, userInfo } from 'node:os';
import { systemClock } from '../../src/clock.ts';
import { type Cluster, findCluster } from '../../src/cluster.ts';
import { inheritedDescriptors } from '../../src/guard/descriptors.ts';
import { EXIT } from '../../src/guard/exit-codes.ts';
import { guard } from '../../src/guard/guard.ts';
import { endsWithInit } from '../../src/guard/init.ts';
import { newIdentity } from '../../src/identity.ts';
import { newParticipant } from '../../src/joining.ts';
import type { Participant } from '../../src/lock.ts';
import { type Log, logTo } from '../../src/log.ts';
import { type RunSettings, readRunCommandLine } from '../options.ts';
import { selfWith } from '../self.ts';

const STDERR = 2;
/** A watchdog does next to nothing, and is to take as little memory for it as Node can do with. */
const WATCHDOG_FLAGS = ['--max-old-space-size=16', '--max-semi-space-size=1', '--v8-pool-size=0'];

/** Loaded only where it is asked for: the metrics library costs what the rest of the guard does. */
async function serveHealth(...args: Parameters<typeof import('../health.ts').serveHealth>) {
  return await (await import('../health.ts')).serveHealth(...args);
}

export async function run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const descriptors = inheritedDescriptors();
  const line = readRunCommandLine(argv, env);
  switch (line.kind) {
    case 'help':
      process.stdout.write(`${line.text}\n`);
      return 0;
    case 'usage':
      return complain(`${line.message} (see "k8s-lease-lock run --help")`, EXIT.usage.code);
    case 'configuration':
      return complain(line.message, EXIT.configuration.code);
    case 'run':
      return await runUnderLock(line.settings, env, descriptors);
    default:
      return line satisfies never;
  }
}

function complain(message: string, code: number): number {
  process.stderr.write(`k8s-lease-lock: ${message}\n`);
  return code;
}

async function runUnderLock(settings: RunSettings, env: NodeJS.ProcessEnv, descriptors: number[]): Promise<number> {
  const clock = systemClock();
  const log = logTo({ clock, format: settings.logFormat, level: settings.level, fd: STDERR });
  try {
    const found = await findCluster({ ...settings, env });
    if (found.kind === 'refused') {
      log('error', found.message);
      return EXIT.configuration.code;
    }
    const participant = await participantOf(settings, found.cluster, { clock, log });
    const health = settings.healthPort === undefined ? undefined : await serveHealth(settings.healthPort, { clock, log });
    if (health?.kind === 'refused') {
      log('error', health.message);
      return EXIT.configuration.code;
    }
    return await guard({
      ...settings,
      participant,
      env,
      watchdog: endsWithInit() ? undefined : selfWith(WATCHDOG_FLAGS, 'watchdog'),
      terminal: process.stdin.isTTY === true,
      descriptors,
      log,
      listen: health?.listen,
    });
  } finally {
    await log.flush();
  }
}

async function participantOf(
  settings: RunSettings,
  cluster: Cluster,
  { clock, log }: Pick<Participant, 'clock'> & { log: Log },
): Promise<Omit<Participant, 'emit'>> {
  const { holder, reason, url } = settings;
  const host = hostname();
  return newParticipant({
    ...settings,
    namespace: settings.namespace ?? cluster.namespace ?? 'default',
    cluster,
    clock,
    identity: newIdentity({ prefix: holder, token: await tokenOf(cluster), host }),
    about: { who: userName(), reason, url, host },
    onWatchTrouble: (message) => log('debug', message),
  });
}

/** The token is looked at for the Pod that it names; whether it is any good is for the API server to say. */
async function tokenOf(cluster: Cluster): Promise<string | undefined> {
  if (cluster.source !== 'the Pod') return undefined;
  const { headers } = await cluster.credentials(false);
  return headers.authorization?.replace(/^Bearer /, '');
}

function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // A container's user often has no name.
  }
}
