/**
 * A runner of GitHub Actions' kind, with the contract of the real one as far as an action can see it: `pre` of all steps, then the steps,
 * then `post` in reverse; files for outputs, environment, state and summary; commands on stdout; masks; cancellation by signals to the phase's
 * own process; and a sweep for what the job has left running. Steps are actions, shell commands, or functions of the test.
 */
import { fork } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { isRunning } from './guards.ts';
import type { Start, Told } from './runner-worker.ts';
import { until } from './until.ts';

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

const REAL_TIMES: CancelTimes = { termAfterMs: 7500, killAfterMs: 2500 };
/** No chance to react, as act does it and as a runner under load may. */
export const AT_ONCE: CancelTimes = { termAfterMs: 0, killAfterMs: 0 };

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
  processes(): { pid: number; command: string; environment: string }[];
  /** Where this text is to be seen: in what was printed (masking it excepted), in files, or in other processes' arguments and environment. */
  places(secret: string): string[];
}

interface Action {
  folder: string;
  inputs: Record<string, { default?: string | number | boolean; required?: boolean }>;
  pre: string | undefined;
  main: string;
  post: string | undefined;
  /** Only what is used here is understood. */
  postIf: 'always()' | 'success()' | 'failure()';
}

const WORKER = fileURLToPath(new URL('runner-worker.ts', import.meta.url));

/** Starts a job with these steps. What it leaves behind ends with the test. */
export function startJob(t: TestContext, steps: Step[], options: JobOptions = {}): Job {
  const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-job-'));
  const job = newJob(folder, steps, options);
  t.after(async () => {
    await job.shutDown();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return job;
}

/** The same for a job that nobody interferes with. */
export function runJob(t: TestContext, steps: Step[], options: JobOptions = {}): Promise<JobResult> {
  return startJob(t, steps, options).finished;
}

function newJob(folder: string, steps: Step[], options: JobOptions): Job {
  const { manner = 'process', cancelTimes = REAL_TIMES, streamsMs = 5000 } = options;
  const temp = join(folder, 'temp');
  const workspace = join(folder, 'workspace');
  const files = join(folder, 'files');
  for (const each of [temp, workspace, files, join(folder, 'home')]) mkdirSync(each);
  writeFileSync(join(files, 'event.json'), JSON.stringify(options.event ?? {}));
  const tracking = `github_${randomUUID()}`;
  const common = environment(options, { folder, temp, workspace, files, tracking });
  // It must not read the environment of whoever runs the tests: that may lead to a real cluster.
  const worker = fork(WORKER, {
    env: { PATH: process.env.PATH ?? '' },
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  });
  const added: Record<string, string> = {};
  const paths: string[] = [];
  const results: StepResult[] = [];
  const state = new Map<string, Record<string, string>>();
  let printed = '';
  let ids = 0;
  let pid = 0;
  let failed = false;
  let cancelled = false;
  let down = false;
  let over = false;
  let onCancel: () => void = () => {};

  const gone = once(worker, 'exit').then(() => {
    down = true;
  });

  /** Runs one process to its end, or to the moment at which the runner gives it up. */
  async function execute(
    start: Omit<Start, 'streamsMs' | 'id'>,
  ): Promise<Pick<PhaseResult, 'code' | 'signal' | 'text' | 'inherited' | 'ms'>> {
    const startedAt = performance.now();
    const id = ++ids;
    const before = cancelled;
    let text = '';
    const ended = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null; inherited: boolean }>();
    const listen = (told: Told) => {
      if (told.id !== id) return; // of one that was given up
      if (told.type === 'started') {
        pid = told.pid;
        if (cancelled && !before) onCancel();
      } else if (told.type === 'printed') {
        text += told.text;
        printed += told.text;
      } else ended.resolve(told);
    };
    worker.on('message', listen);
    const lost = gone.then(() => ended.resolve({ code: null, signal: null, inherited: false }));
    const giveUp = new AbortController();
    onCancel = () => {
      if (pid !== 0)
        void end(pid, giveUp.signal).then(
          () => manner === 'container' && ended.resolve({ code: null, signal: null, inherited: false }),
        );
    };
    if (!down) worker.send({ ...start, id, streamsMs } satisfies Start);
    const { code, signal, inherited } = await Promise.race([ended.promise, lost.then(() => ended.promise)]);
    giveUp.abort();
    onCancel = () => {};
    pid = 0;
    worker.off('message', listen);
    return { code, signal, text, inherited, ms: performance.now() - startedAt };
  }

  async function end(target: number, ended: AbortSignal): Promise<void> {
    const wait = (ms: number) => sleep(ms, undefined, { signal: ended, ref: false }).catch(() => {});
    const send = (signal: NodeJS.Signals) => !ended.aborted && manner === 'process' && kill(target, signal);
    if (cancelTimes.termAfterMs > 0) send('SIGINT');
    await wait(cancelTimes.termAfterMs);
    if (cancelTimes.killAfterMs > 0) send('SIGTERM');
    await wait(cancelTimes.killAfterMs);
    send('SIGKILL');
  }

  async function phase(action: Action, step: UsesStep, id: string, stage: Stage, script: string): Promise<PhaseResult> {
    const own = join(files, `${id}-${stage}`);
    mkdirSync(own);
    const file = (name: string) => {
      writeFileSync(join(own, name), '');
      return join(own, name);
    };
    const variables = {
      GITHUB_OUTPUT: file('output'),
      GITHUB_ENV: file('env'),
      GITHUB_STATE: file('state'),
      GITHUB_STEP_SUMMARY: file('summary'),
      GITHUB_PATH: file('path'),
    };
    const kept = state.get(id) ?? {};
    const ended = await execute({
      command: process.execPath,
      args: [join(action.folder, script)],
      cwd: workspace,
      env: {
        ...current(),
        ...step.env,
        ...variables,
        GITHUB_ACTION: id,
        GITHUB_ACTION_PATH: action.folder,
        ...inputsOf(action, typeof step.with === 'function' ? step.with() : (step.with ?? {})),
        ...Object.fromEntries(Object.entries(kept).map(([name, value]) => [`STATE_${name}`, value])),
      },
    });
    const read = (name: string) => readFileSync(join(own, name), 'utf8');
    state.set(id, { ...kept, ...parseFile(read('state')) });
    const outputs = results.find((result) => result.id === id)?.outputs;
    if (outputs) Object.assign(outputs, parseFile(read('output')));
    takeOver(read('env'), read('path'));
    return { ...ended, ...parseCommands(ended.text), summary: read('summary') };
  }

  function takeOver(env: string, path: string): void {
    Object.assign(added, parseFile(env));
    paths.unshift(...path.split('\n').filter(Boolean));
  }

  const current = () => ({ ...common, ...added, PATH: [...paths, common.PATH].join(delimiter) });

  async function shell(step: ShellStep, id: string): Promise<PhaseResult> {
    const own = join(files, id);
    mkdirSync(own);
    const [output, env, path] = ['output', 'env', 'path'].map((name) => {
      writeFileSync(join(own, name), '');
      return join(own, name);
    }) as [string, string, string];
    const ended = await execute({
      command: 'sh',
      args: ['-e', '-c', step.run],
      cwd: workspace,
      env: { ...current(), GITHUB_OUTPUT: output, GITHUB_ENV: env, GITHUB_PATH: path },
    });
    Object.assign(results.find((result) => result.id === id)?.outputs ?? {}, parseFile(readFileSync(output, 'utf8')));
    takeOver(readFileSync(env, 'utf8'), readFileSync(path, 'utf8'));
    return { ...ended, ...parseCommands(ended.text), summary: '' };
  }

  const posts: { id: string; run(): Promise<void> }[] = [];

  /** As on a real runner, a post is due once pre or main has begun; the last one to register comes first. */
  function register(action: Action, step: UsesStep, result: StepResult): void {
    const { post } = action;
    if (post === undefined || posts.some(({ id }) => id === result.id)) return;
    posts.push({
      id: result.id,
      async run() {
        const wanted = action.postIf === 'always()' || (action.postIf === 'failure()') === (failed || cancelled);
        if (wanted) result.post = settle(await phase(action, step, result.id, 'post', post));
      },
    });
  }

  function settle(ended: PhaseResult): PhaseResult {
    if (ended.code !== 0) failed = true;
    return ended;
  }

  async function main(step: Step, result: StepResult, job: Job): Promise<void> {
    const condition = typeof step === 'function' ? undefined : step.if;
    if (condition === false || (condition !== 'always' && (failed || cancelled))) return;
    const wasCancelled = cancelled;
    if (typeof step === 'function') {
      await step(job);
      result.outcome = cancelled && !wasCancelled ? 'cancelled' : 'success';
      return;
    }
    if ('uses' in step) {
      const action = readAction(step.uses);
      register(action, step, result);
      result.main = await phase(action, step, result.id, 'main', action.main);
    } else result.main = await shell(step, result.id);
    result.outcome = cancelled && !wasCancelled ? 'cancelled' : result.main.code === 0 ? 'success' : 'failure';
    if (result.outcome === 'failure' && !('uses' in step && step['continue-on-error'])) failed = true;
  }

  async function run(job: Job): Promise<JobResult> {
    const all = steps.map((step, index) => {
      const id = (typeof step === 'function' ? undefined : step.id) ?? `step-${index + 1}`;
      const result: StepResult = { id, outcome: 'skipped', outputs: {} };
      results.push(result);
      return { step, result };
    });
    for (const { step, result } of all) {
      if (typeof step === 'function' || !('uses' in step) || down || cancelled) continue;
      const action = readAction(step.uses);
      if (action.pre === undefined) continue;
      register(action, step, result);
      result.pre = settle(await phase(action, step, result.id, 'pre', action.pre));
    }
    for (const { step, result } of all) if (!down) await main(step, result, job);
    for (const post of posts.toReversed()) if (!down) await post.run();
    if (!down) await options.beforeSweep?.(job);
    over = true;
    const wasDown = down;
    const leftovers = wasDown ? [] : sweep();
    worker.removeAllListeners('message');
    if (worker.connected) worker.disconnect();
    await gone;
    const phases = results.flatMap((result) => [result.pre, result.main, result.post]);
    return {
      conclusion: wasDown ? 'lost' : cancelled ? 'cancelled' : failed ? 'failure' : 'success',
      steps: results,
      annotations: phases.flatMap((each) => each?.annotations ?? []),
      text: printed,
      leftovers,
    };
  }

  function processes(): { pid: number; command: string; environment: string }[] {
    return tracked(tracking).filter((each) => each.pid !== pid);
  }

  /** The real one says `Terminate orphan process` and kills. Only what bears the id of this job is touched. */
  const killed = new Set<number>();
  function sweep(): string[] {
    const found = tracked(tracking);
    for (const each of found) {
      kill(each.pid, 'SIGKILL');
      killed.add(each.pid);
    }
    return found.map(({ command }) => command);
  }

  const finished = Promise.withResolvers<JobResult>();
  const job: Job = {
    temp,
    workspace,
    get text() {
      return printed;
    },
    get masks() {
      return new Set([...printed.matchAll(/^::add-mask::(.*)$/gm)].map(([, mask = '']) => unescapeData(mask)));
    },
    worker: worker.pid ?? 0,
    phasePid: () => pid,
    outputs: (id) => results.find((result) => result.id === id)?.outputs ?? {},
    finished: finished.promise,
    async prints(pattern) {
      await until(() => pattern.test(printed) || over, `${pattern} in the job's log:\n${printed}`);
      if (!pattern.test(printed)) throw new Error(`the job ended without ${pattern}:\n${printed}`);
    },
    cancel() {
      if (cancelled) return;
      cancelled = true;
      onCancel();
    },
    async shutDown() {
      down = true;
      // All at once: a keeper that outlived its runner by a moment would give the lock back.
      sweep();
      kill(worker.pid ?? 0, 'SIGKILL');
      await gone;
      // Whoever is being started while this looks is found the next time.
      // A process that is just dying has no environment any more by which it would be found, and is not dead yet.
      await until(() => sweep().length === 0 && ![...killed].some(isRunning), 'the end of all processes of the job');
    },
    killWorker: () => kill(worker.pid ?? 0, 'SIGKILL'),
    processes,
    places(secret) {
      const shown = printed.split('\n').filter((line) => !line.startsWith('::add-mask::') && line.includes(secret));
      const inFiles = filesIn(folder).filter((file) => contentOf(file).includes(secret));
      const seen = processes().filter(({ command, environment }) => `${command}\0${environment}`.includes(secret));
      return [
        ...shown.map((line) => `printed: ${line}`),
        ...inFiles,
        ...seen.map((each) => `process ${each.pid}: ${each.command}`),
      ];
    },
  };
  run(job)
    .finally(() => {
      over = true;
    })
    .then(finished.resolve, finished.reject);
  job.finished.catch(() => {}); // Whoever waits for it is told; a test that has failed already doesn't.
  return job;
}

function environment(
  {
    env,
    repository = 'acme/api',
    runId,
    attempt = '1',
    name = 'deploy',
    actor = 'alice',
    apiUrl = 'http://127.0.0.1:1',
  }: JobOptions,
  place: { folder: string; temp: string; workspace: string; files: string; tracking: string },
): Record<string, string> & { PATH: string } {
  return {
    PATH: [dirname(process.execPath), process.env.PATH ?? ''].join(delimiter),
    HOME: join(place.folder, 'home'),
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTOR: actor,
    GITHUB_API_URL: apiUrl,
    GITHUB_EVENT_NAME: 'push',
    GITHUB_EVENT_PATH: join(place.files, 'event.json'),
    GITHUB_JOB: name,
    GITHUB_REF: 'refs/heads/main',
    GITHUB_REPOSITORY: repository,
    GITHUB_REPOSITORY_OWNER: repository.split('/')[0] ?? '',
    GITHUB_RUN_ATTEMPT: attempt,
    GITHUB_RUN_ID: runId ?? String(Number.parseInt(randomBytes(4).toString('hex'), 16)),
    GITHUB_SERVER_URL: 'https://github.test',
    GITHUB_WORKFLOW: 'Deploy',
    GITHUB_WORKSPACE: place.workspace,
    RUNNER_NAME: 'runner-1',
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: place.temp,
    RUNNER_TRACKING_ID: place.tracking,
    ...env,
  };
}

export function readAction(folder: string): Action {
  const { inputs = {}, runs } = load(readFileSync(join(folder, 'action.yml'), 'utf8')) as {
    inputs?: Action['inputs'];
    runs: { using: string; pre?: string; main: string; post?: string; 'post-if'?: Action['postIf'] };
  };
  if (!/^node\d+$/.test(runs.using)) throw new Error(`not an action in JavaScript: ${folder}`);
  return { folder, inputs, pre: runs.pre, main: runs.main, post: runs.post, postIf: runs['post-if'] ?? 'always()' };
}

/** An input that is not given has its default, else an empty text. One that the action doesn't know is a warning on GitHub: here a mistake of the test. */
function inputsOf({ inputs }: Action, given: Inputs): Record<string, string> {
  const unknown = Object.keys(given).find((name) => !(name in inputs));
  if (unknown !== undefined) throw new Error(`the action has no input ${unknown}`);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { default: standard = '' }]) => [
      `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`,
      given[name] ?? String(standard),
    ]),
  );
}

/** `name=value` lines and `name<<DELIMITER` blocks. */
function parseFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.split('\n');
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name, delimiter] = /^([^=<]+)<<(.+)$/.exec(line) ?? [];
    if (name !== undefined && delimiter !== undefined) {
      const end = lines.indexOf(delimiter);
      if (end < 0) throw new Error(`no end of ${line}`);
      values[name] = lines
        .splice(0, end + 1)
        .slice(0, -1)
        .join('\n');
    } else if (line.includes('=')) values[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
  }
  return values;
}

function parseCommands(text: string): Pick<PhaseResult, 'annotations' | 'groups'> {
  const annotations: Annotation[] = [];
  const groups: string[] = [];
  let resume: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, command, properties = '', data = ''] = /^::([\w-]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)$/.exec(line) ?? [];
    if (resume !== undefined) {
      if (command === resume) resume = undefined;
    } else if (command === 'stop-commands') resume = data;
    else if (command === 'group') groups.push(unescapeData(data));
    else if (command === 'error' || command === 'warning' || command === 'notice') {
      const [, title = ''] = /(?:^|,)title=([^,]*)/.exec(properties) ?? [];
      annotations.push({
        level: command,
        title: unescapeData(title).replaceAll('%3A', ':').replaceAll('%2C', ','),
        message: unescapeData(data),
      });
    }
  }
  return { annotations, groups };
}

const unescapeData = (text: string): string => text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');

function tracked(tracking: string): { pid: number; command: string; environment: string }[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.flatMap((pid) => {
    if (pid === process.pid || !isRunning(pid)) return [];
    const environment = contentOf(`/proc/${pid}/environ`);
    if (!environment.includes(`RUNNER_TRACKING_ID=${tracking}`)) return [];
    return [{ pid, environment, command: contentOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() }];
  });
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // It has gone meanwhile.
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 1) process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
