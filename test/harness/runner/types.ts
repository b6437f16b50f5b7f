/** What a test gives to the runner, and what it learns of a job: the steps, the options, the results. */
import type { Seen } from '../processes.ts';

export type Inputs = Record<string, string>;
export type Stage = 'pre' | 'main' | 'post';

interface Common {
  /** Names it in results; by default `step-1` and so on. */
  id?: string;
  /** Like `if:`: false skips it, `always` runs it after failures and cancellations; by default it needs success. */
  if?: boolean | 'always';
}

export interface UsesStep extends Common {
  /** The folder of an action.yml. */
  uses: string;
  /** A function is asked before each phase, as expressions are. */
  with?: Inputs | (() => Inputs);
  env?: Record<string, string>;
  'continue-on-error'?: boolean;
}

export interface ShellStep extends Common {
  run: string;
}

/** What the test does while the job is at this step; a rejection is the failure of the step, and of the test. */
export type TestStep = (job: Job) => unknown;
export type Step = UsesStep | ShellStep | TestStep;

export interface Annotation {
  level: 'error' | 'warning' | 'notice';
  title: string;
  message: string;
}

export interface PhaseResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** stdout and stderr, as they came. */
  text: string;
  annotations: Annotation[];
  groups: string[];
  summary: string;
  /** Some process has kept its streams: a real runner waits five seconds for them, and says so. */
  inherited: boolean;
  ms: number;
}

export interface StepResult {
  id: string;
  outcome: 'success' | 'failure' | 'cancelled' | 'skipped';
  outputs: Record<string, string>;
  pre?: PhaseResult;
  main?: PhaseResult;
  post?: PhaseResult;
}

export interface JobResult {
  conclusion: 'success' | 'failure' | 'cancelled' | 'lost';
  steps: StepResult[];
  annotations: Annotation[];
  /** Everything that was printed. */
  text: string;
  /** Command lines of the processes that the job left, and that had to be killed. */
  leftovers: string[];
}

/** How a cancelled phase is ended. GitHub's runner: SIGINT, 7.5 s, SIGTERM, 2.5 s, SIGKILL, all to the one process. */
export interface CancelTimes {
  termAfterMs: number;
  killAfterMs: number;
}

export interface JobOptions {
  env?: Record<string, string>;
  /** `container`: nothing that the runner sends reaches the phase; it is left alone when it is cancelled, and ends with the container. */
  manner?: 'process' | 'container';
  cancelTimes?: CancelTimes;
  repository?: string;
  runId?: string;
  attempt?: string;
  name?: string;
  actor?: string;
  apiUrl?: string;
  event?: object;
  /** After the last post, while what the job has left still runs. */
  beforeSweep?: (job: Job) => unknown;
  /** How long a real runner waits for streams that others hold. */
  streamsMs?: number;
}

export interface Job {
  readonly temp: string;
  readonly workspace: string;
  readonly text: string;
  readonly masks: ReadonlySet<string>;
  readonly worker: number;
  /** Process id of the phase that runs now. */
  phasePid(): number;
  outputs(id: string): Record<string, string>;
  readonly finished: Promise<JobResult>;
  /** Resolves when this has been printed; rejects if the job ends without. */
  prints(pattern: RegExp): Promise<void>;
  cancel(): void;
  /** No more steps, no post: the machine goes down, and everything of the job with it. */
  shutDown(): Promise<void>;
  /** The process above all phases dies, and they don't. */
  killWorker(): void;
  /** Processes of this job that are left over besides its phases. */
  processes(): Seen[];
  /** Where this text is to be seen: in what was printed (masking it excepted), in files, or in other processes' arguments and environment. */
  places(secret: string): string[];
}

/** What the runner has to know of an action.yml. */
export interface Action {
  folder: string;
  inputs: Record<string, { default?: string | number | boolean; required?: boolean }>;
  pre: string | undefined;
  main: string;
  post: string | undefined;
  /** Only what is used here is understood. */
  postIf: 'always()' | 'success()' | 'failure()';
}

/** Where a job lives: `folder` is around all others; `files` are the runner's own. */
export interface Folders {
  folder: string;
  temp: string;
  workspace: string;
  files: string;
}
