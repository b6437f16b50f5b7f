/** From the settings of a command line to a participant of the lock, for every command that wants it: with a log, a cluster, and an identity. */
import { hostname, userInfo } from 'node:os';
import { type Cluster, findCluster } from '../src/api/cluster.ts';
import { type Clock, systemClock } from '../src/clock.ts';
import { EXIT } from '../src/guard/exit-codes.ts';
import { type Identity, newIdentity } from '../src/lock/identity.ts';
import type { Participant } from '../src/lock/index.ts';
import { newParticipant } from '../src/lock/new-participant.ts';
import { type Log, logTo } from '../src/log.ts';
import type { JoinSettings, Line } from './options.ts';

const STDERR = 2;

export interface Surroundings {
  clock: Clock;
  log: Log;
  cluster: Cluster;
  /** The bearer token, where it is a Pod's own: it says which Pod this is. */
  podToken: string | undefined;
}

/** Does what the command line asks for, or says why not; returns the exit code. Whatever was logged is written by then. */
export async function obey<Settings extends JoinSettings>(
  command: string,
  line: Line<Settings>,
  env: NodeJS.ProcessEnv,
  act: (settings: Settings, surroundings: Surroundings) => Promise<number>,
): Promise<number> {
  switch (line.kind) {
    case 'help':
      process.stdout.write(`${line.text}\n`);
      return 0;
    case 'usage':
      return complain(`${line.message} (see "k8s-lease-lock ${command} --help")`, EXIT.usage.code);
    case 'configuration':
      return complain(line.message, EXIT.configuration.code);
    case 'settings':
      return await within(line.settings, env, act);
    default:
      return line satisfies never;
  }
}

function complain(message: string, code: number): number {
  process.stderr.write(`k8s-lease-lock: ${message}\n`);
  return code;
}

async function within<Settings extends JoinSettings>(
  settings: Settings,
  env: NodeJS.ProcessEnv,
  act: (settings: Settings, surroundings: Surroundings) => Promise<number>,
): Promise<number> {
  const clock = systemClock();
  const log = logTo({ clock, format: settings.logFormat, level: settings.level, fd: STDERR });
  try {
    const found = await findCluster({ ...settings, env });
    if (found.kind === 'cluster') {
      const { cluster } = found;
      return await act(settings, { clock, log, cluster, podToken: await podTokenOf(cluster) });
    }
    log('error', found.message);
    return EXIT.configuration.code;
  } finally {
    await log.flush();
  }
}

/** The token is looked at for the Pod that it names; whether it is any good is for the API server to say. */
async function podTokenOf(cluster: Cluster): Promise<string | undefined> {
  if (cluster.source !== 'the Pod') return undefined;
  const { headers } = await cluster.credentials(false);
  return headers.authorization?.replace(/^Bearer /, '');
}

/** `identity` undefined: a new one, for this process alone. */
export function participantOf(
  settings: JoinSettings,
  { clock, log, cluster, podToken }: Surroundings,
  identity?: Identity,
): Omit<Participant, 'emit'> {
  const { holder, reason, url } = settings;
  const host = hostname();
  return newParticipant({
    ...settings,
    namespace: settings.namespace ?? cluster.namespace ?? 'default',
    cluster,
    clock,
    identity: identity ?? newIdentity({ prefix: holder, token: podToken, host }),
    about: { who: userName(), reason, url, host },
    onWatchTrouble: (message) => log('debug', message),
  });
}

function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // A container's user often has no name.
  }
}
