/**
 * A runner of GitHub Actions' kind, with the contract of the real one as far as an action can see it: `pre` of all steps, then the steps,
 * then `post` in reverse; files for outputs, environment, state and summary; commands on stdout; masks; cancellation by signals to the phase's
 * own process; and a sweep for what the job has left running. Steps are actions, shell commands, or functions of the test.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { isRunning } from '../guards.ts';
import { contentOf, kill, processesHaving, type Seen } from '../processes.ts';
import { until } from '../until.ts';
import { unescapeData } from './commands.ts';
import { environmentFor } from './environment.ts';
import { cancel, leave, type Machine, startMachine } from './machine.ts';
import { type Run, runSteps } from './steps.ts';
import type { CancelTimes, Folders, Job, JobOptions, JobResult, Step } from './types.ts';

export type { Annotation, CancelTimes, Inputs, Job, JobOptions, JobResult, PhaseResult, Step, UsesStep } from './types.ts';

/** No chance to react, as act does it and as a runner under load may. */
export const IMMEDIATELY: CancelTimes = { termAfterMs: 0, killAfterMs: 0 };

/** Starts a job with these steps. What it leaves behind ends with the test. */
export function startJob(t: TestContext, steps: Step[], options: JobOptions = {}): Job {
  const folders = foldersIn(mkdtempSync(join(tmpdir(), 'k8s-lease-lock-job-')), options);
  const job = newJob(folders, steps, options);
  t.after(async () => {
    await job.shutDown();
    rmSync(folders.folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return job;
}

/** The same for a job that nobody interferes with. */
export function runJob(t: TestContext, steps: Step[], options: JobOptions = {}): Promise<JobResult> {
  return startJob(t, steps, options).finished;
}

function foldersIn(folder: string, { event = {} }: JobOptions): Folders {
  const folders = { folder, temp: join(folder, 'temp'), workspace: join(folder, 'workspace'), files: join(folder, 'files') };
  for (const each of [folders.temp, folders.workspace, folders.files, join(folder, 'home')]) mkdirSync(each);
  writeFileSync(join(folders.files, 'event.json'), JSON.stringify(event));
  return folders;
}

function newJob(folders: Folders, steps: Step[], options: JobOptions): Job {
  const tracking = `github_${randomUUID()}`;
  const machine = startMachine(options);
  const run: Run = {
    machine,
    folders,
    common: environmentFor(options, { ...folders, tracking }),
    added: {},
    paths: [],
    results: [],
    failed: false,
    kept: new Map(),
    posts: [],
  };
  const orphans = orphansOf(tracking);
  let over = false;
  const finished = Promise.withResolvers<JobResult>();
  const job: Job = {
    ...controls(machine, orphans),
    ...findings(run, orphans),
    temp: folders.temp,
    workspace: folders.workspace,
    get text() {
      return machine.text;
    },
    get masks() {
      return new Set([...machine.text.matchAll(/^::add-mask::(.*)$/gm)].map(([, mask = '']) => unescapeData(mask)));
    },
    finished: finished.promise,
    async prints(pattern) {
      await until(() => pattern.test(machine.text) || over, `${pattern} in the job's log:\n${machine.text}`);
      if (!pattern.test(machine.text)) throw new Error(`the job ended without ${pattern}:\n${machine.text}`);
    },
  };
  runToItsEnd(run, { steps, job, orphans, beforeSweep: options.beforeSweep })
    .finally(() => {
      over = true;
    })
    .then(finished.resolve, finished.reject);
  job.finished.catch(() => {}); // Whoever waits for it is told; a test that has failed already doesn't.
  return job;
}

interface Orphans {
  list(): Seen[];
  /** The real runner says `Terminate orphan process` and kills. Only what bears the id of this job is touched. */
  sweep(): Seen[];
  /** A process that is just dying has no environment any more by which it would be found, and is not dead yet. */
  allDead(): boolean;
}

function orphansOf(tracking: string): Orphans {
  const killed = new Set<number>();
  const list = () => processesHaving(`RUNNER_TRACKING_ID=${tracking}`);
  return {
    list,
    sweep() {
      const found = list();
      for (const { pid } of found) {
        kill(pid);
        killed.add(pid);
      }
      return found;
    },
    allDead: () => ![...killed].some(isRunning),
  };
}

interface Ending {
  steps: Step[];
  job: Job;
  orphans: Orphans;
  beforeSweep: JobOptions['beforeSweep'];
}

async function runToItsEnd(run: Run, { steps, job, orphans, beforeSweep }: Ending): Promise<JobResult> {
  const { machine } = run;
  await runSteps(run, steps, job);
  if (!machine.down) await beforeSweep?.(job);
  const wasDown = machine.down;
  const leftovers = wasDown ? [] : orphans.sweep().map(({ command }) => command);
  await leave(machine);
  const phases = run.results.flatMap(({ pre, main, post }) => [pre, main, post]);
  return {
    conclusion: wasDown ? 'lost' : machine.cancelled ? 'cancelled' : run.failed ? 'failure' : 'success',
    steps: run.results,
    annotations: phases.flatMap((each) => each?.annotations ?? []),
    text: machine.text,
    leftovers,
  };
}

function controls(machine: Machine, orphans: Orphans): Pick<Job, 'worker' | 'phasePid' | 'cancel' | 'killWorker' | 'shutDown'> {
  const worker = machine.worker.pid ?? 0;
  return {
    worker,
    phasePid: () => machine.pid,
    cancel: () => cancel(machine),
    killWorker: () => kill(worker),
    async shutDown() {
      machine.down = true;
      // All at the same time: a keeper that outlived its runner by a moment would release the lock.
      orphans.sweep();
      kill(worker);
      await machine.gone;
      // Whoever is being started while this looks is found the next time.
      await until(() => orphans.sweep().length === 0 && orphans.allDead(), 'the end of all processes of the job');
    },
  };
}

function findings({ machine, folders, results }: Run, orphans: Orphans): Pick<Job, 'processes' | 'places' | 'outputs'> {
  const processes = () => orphans.list().filter(({ pid }) => pid !== machine.pid);
  return {
    processes,
    outputs: (id) => results.find((result) => result.id === id)?.outputs ?? {},
    places(secret) {
      const lines = machine.text.split('\n');
      const shown = lines.filter((line) => !line.startsWith('::add-mask::') && line.includes(secret));
      const inFiles = filesIn(folders.folder).filter((file) => contentOf(file).includes(secret));
      const seen = processes().filter(({ command, environment }) => `${command}\0${environment.join('\0')}`.includes(secret));
      return [
        ...shown.map((line) => `printed: ${line}`),
        ...inFiles,
        ...seen.map(({ pid, command }) => `process ${pid}: ${command}`),
      ];
    },
  };
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
