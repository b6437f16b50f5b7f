/**
 * What a run consists of: its seed, its length, how many take part, and which troubles occur. All else follows from the seed.
 */
import { type Random, randomOf } from './random.ts';

export interface Plan {
  seed: number;
  minutes: number;
  participants: number;
  faults: readonly string[];
}

const NETWORK = ['delay', 'loss', 'late', 'duplicate', 'errors', 'watch', 'partition'];
export const DEEDS = [
  ...(['delete', 'unlock', 'clear', 'spoil', 'stop', 'adorn', 'tracking', 'version', 'coordinate'] as const),
  ...(['full', 'absurd', 'restore', 'dismiss', 'move', 'set'] as const),
] as const;
/** Those that any run can have beside all others. */
const COMMON = DEEDS.filter((deed) => !['restore', 'dismiss', 'move', 'set'].includes(deed));

/** Kinds of runs, so that each trouble is met alone as well as in company. */
const PROFILES: Record<string, string[]> = {
  gentle: ['crash', 'impatience', 'priority'],
  network: [...NETWORK, 'crash', 'skew', 'impatience'],
  pauses: ['pause', 'crash', 'drift', 'wall', 'delay', 'watch', 'impatience'],
  deletions: ['delete', 'crash', 'delay', 'late', 'watch', 'loss', 'skew', 'pause', 'revenant'],
  deleted: ['delete', 'delete-often', 'crash', 'delay', 'watch', 'impatience', 'priority'],
  deeds: [...COMMON, 'crash', 'watch', 'delay', 'impatience', 'skew', 'same-id'],
  operated: ['dismiss', 'move', 'stop', 'unlock', 'delete', 'crash', 'delay', 'loss', 'late', 'watch', 'impatience', 'priority'],
  replaced: ['supersede', 'replace', 'crash', 'delay', 'impatience', 'priority', 'watch', 'loss', 'late'],
  spared: ['min-hold', 'once', 'one-try', 'supersede', 'crash', 'delay', 'impatience', 'watch', 'loss', 'late'],
  sparse: ['min-hold', 'one-try', 'idle', 'crash', 'impatience', 'replace'],
  shared: ['shared', 'crash', 'delay', 'impatience', 'priority', 'watch', 'loss', 'late'],
  permits: ['shared', 'permits', 'set', 'crash', 'delay', 'impatience', 'watch', 'loss', 'late', 'pause', 'one-try'],
  readers: ['shared', 'crash', 'impatience', 'one-try', 'idle'],
  melee: [
    ...['shared', 'permits', 'set', 'elector', 'replace', 'supersede', 'min-hold', 'once', 'crash', 'delay', 'loss', 'late'],
    ...['watch', 'impatience', 'priority', 'pause', 'one-try', 'no-watch'],
  ],
  'shared-deeds': [
    ...['shared', 'permits', 'set', 'delete', 'stop', 'unlock', 'clear', 'spoil', 'elector', 'skew', 'crash', 'delay'],
    ...['loss', 'late', 'watch', 'impatience', 'priority', 'pause', 'one-try', 'no-watch', 'drift'],
  ],
  'shared-legacy': ['shared', 'permits', 'legacy', 'elector', 'crash', 'delay', 'errors', 'stop', 'impatience'],
  direct: ['direct', ...NETWORK, 'crash', 'skew', 'impatience', 'pause', 'drift', 'priority'],
  'direct-gentle': ['direct', 'crash', 'impatience', 'priority'],
  'direct-deeds': [
    ...['direct', 'delete', 'stop', 'unlock', 'clear', 'spoil', 'dismiss', 'elector', 'tracking', 'no-watch', 'crash', 'delay'],
    ...['late', 'loss', 'watch', 'impatience', 'pause', 'stubborn', 'one-try'],
  ],
  'direct-deleted': ['direct', 'delete', 'delete-often', 'crash', 'delay', 'watch', 'partition', 'cut', 'no-watch', 'loss'],
  'direct-policies': [
    ...['direct', 'supersede', 'replace', 'min-hold', 'once', 'shared', 'crash', 'delay', 'late', 'loss', 'watch'],
    ...['impatience', 'priority'],
  ],
  ageing: ['ageing', 'priority', 'crash', 'delay', 'late', 'loss', 'watch', 'impatience'],
  'ageing-deeds': [
    ...['ageing', 'priority', 'shared', 'direct', 'delete', 'clear', 'stop', 'move', 'dismiss', 'crash', 'delay', 'watch'],
    ...['impatience', 'pause', 'elector'],
  ],
  several: ['several', 'direct', 'crash', 'delay', 'late', 'loss', 'watch', 'impatience', 'pause', 'partition'],
  'several-gentle': ['several', 'direct', 'impatience'],
  electors: ['elector', 'pause', 'crash', 'delay', 'watch', 'loss', 'skew', 'clear', 'drift'],
  legacy: ['legacy', 'crash', 'delay', 'errors', 'stop'],
  outages: ['partition', 'cut', 'delay', 'stubborn', 'crash', 'drift', 'elector'],
  stalls: ['stall', 'delay', 'crash', 'drift', 'impatience'],
  idle: ['idle', 'crash', 'impatience'],
  refusals: ['refusals', 'errors', 'throttle', 'crash', 'impatience', 'delay'],
  'direct-clocks': ['direct', 'step', 'leap', 'suspend', 'skew', 'crash', 'wall', 'delay', 'impatience', 'pause', 'drift'],
  clocks: ['step', 'leap', 'suspend', 'skew', 'crash', 'wall', 'delay', 'idle', 'impatience'],
  untracked: ['untracked', 'crash', 'impatience', 'delay'],
  deaf: ['no-watch', 'delete', 'stop', 'crash', 'delay', 'impatience'],
  exile: ['exile', 'crash', 'delay', 'impatience', 'drift'],
  numbers: ['absurd', 'full', 'crash', 'impatience', 'priority', 'watch'],
  restores: ['restore', 'crash', 'delay', 'watch', 'impatience'],
  lonely: ['idle', 'one-try', 'crash', 'impatience'],
  nameless: ['nameless', 'crash', 'impatience'],
  flood: ['flood'],
  storm: [
    ...NETWORK,
    ...COMMON,
    ...['refusals', 'leap', 'no-watch', 'exile'],
    'crash',
    'pause',
    'drift',
    'wall',
    'skew',
    'impatience',
    'priority',
    'same-id',
    'elector',
    'no-create',
    'stall',
    'cut',
    'revenant',
    'stubborn',
  ],
};

/** How many take part, where that makes the profile. */
const SIZES: Record<string, [number, ...number[]]> = {
  lonely: [2, 3],
  sparse: [2, 3, 5],
  flood: [300],
  several: [2, 3, 5, 8],
  'several-gentle': [2, 3, 5, 8],
};

export const FAULTS: readonly string[] = [...new Set(Object.values(PROFILES).flat())];
/** Those of which a run is drawn: a crowd takes a minute, and is to be asked for. */
export const PROFILE_NAMES = Object.keys(PROFILES).filter((name) => name !== 'flood');

export function planOf(seed: number, given: Partial<Plan> & { profile?: string | undefined }): Plan {
  if (given.profile !== undefined && !PROFILES[given.profile])
    throw new Error(`no profile ${given.profile}: ${PROFILE_NAMES.join(', ')}`);
  const random = randomOf(seed, 'plan');
  const drawn = random.pick(PROFILE_NAMES as [string, ...string[]]);
  const profile = given.profile ?? drawn;
  return {
    seed,
    minutes: given.minutes ?? 30,
    participants: given.participants ?? random.pick(SIZES[profile] ?? [2, 3, 3, 5, 8, 12, 20]),
    faults: given.faults ?? PROFILES[profile] ?? [],
  };
}

/** How one machine's clocks differ from true time. */
export interface Machine {
  rate: number;
  wallOffsetMs: number;
}

/**
 * Rates that differ by up to 4 %, where the holder's own margin is 5 %; else by what real clocks do. Where K8SLock 0.2.5 takes part, wall clocks have to agree
 * to within half the smallest margin of a holder.
 */
export function machineOf(random: Random, has: (fault: string) => boolean): Machine {
  const spread = has('drift') ? 0.02 : 0.0002;
  // Often as far apart as they may be.
  const rate = 1 + spread * (random.chance(0.5) ? random.pick([-1, 1]) : random.between(-1, 1));
  const wallOffsetMs = random.between(-1, 1) * (has('legacy') || has('nameless') ? 200 : has('wall') ? 3_600_000 : 2000);
  return { rate, wallOffsetMs };
}
