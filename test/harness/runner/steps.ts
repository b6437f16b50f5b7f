/**
 * The steps of one job in the order of a real runner: `pre` of all, then the steps, then `post` in reverse. What a phase writes into its
 * files becomes outputs, environment and state of what follows.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { inputsOf, readAction } from './action-file.ts';
import { parseCommands, parseFile } from './commands.ts';
import { execute, type Machine } from './machine.ts';
import type { Action, Folders, Job, PhaseResult, ShellStep, Stage, Step, StepResult, UsesStep } from './types.ts';

export interface Run {
  readonly machine: Machine;
  readonly folders: Folders;
  /** What every phase has in its environment. */
  readonly common: Record<string, string> & { PATH: string };
  /** What phases have added to it for those after them. */
  readonly added: Record<string, string>;
  readonly paths: string[];
  readonly results: StepResult[];
  failed: boolean;
  /** Of each action, from its earlier phases. */
  readonly kept: Map<string, Record<string, string>>;
  readonly posts: { id: string; run(): Promise<void> }[];
}

export async function runSteps(run: Run, steps: readonly Step[], job: Job): Promise<void> {
  const { machine } = run;
  const all = steps.map((step, index) => {
    const id = (typeof step === 'function' ? undefined : step.id) ?? `step-${index + 1}`;
    const result: StepResult = { id, outcome: 'skipped', outputs: {} };
    run.results.push(result);
    return { step, result };
  });
  for (const { step, result } of all) {
    if (typeof step === 'function' || !('uses' in step) || machine.down || machine.cancelled) continue;
    const action = readAction(step.uses);
    if (action.pre === undefined) continue;
    register(run, { action, step, result });
    result.pre = await phase(run, { action, step, result }, 'pre', action.pre);
    if (result.pre.code !== 0) run.failed = true;
  }
  for (const { step, result } of all) if (!machine.down) await main(run, step, { result, job });
  for (const post of run.posts.toReversed()) if (!machine.down) await post.run();
}

interface Used {
  action: Action;
  step: UsesStep;
  result: StepResult;
}

/** As on a real runner, a post is due once pre or main has begun; the last one to register comes first. */
function register(run: Run, used: Used): void {
  const { action, result } = used;
  const { post } = action;
  if (post === undefined || run.posts.some(({ id }) => id === result.id)) return;
  run.posts.push({
    id: result.id,
    async run() {
      const bad = run.failed || run.machine.cancelled;
      const wanted = action.postIf === 'always()' || (action.postIf === 'failure()') === bad;
      if (!wanted) return;
      result.post = await phase(run, used, 'post', post);
      if (result.post.code !== 0) run.failed = true;
    },
  });
}

async function main(run: Run, step: Step, { result, job }: { result: StepResult; job: Job }): Promise<void> {
  const { machine } = run;
  const condition = typeof step === 'function' ? undefined : step.if;
  if (condition === false || (condition !== 'always' && (run.failed || machine.cancelled))) return;
  const wasCancelled = machine.cancelled;
  const outcome = (code: number | null) =>
    machine.cancelled && !wasCancelled ? 'cancelled' : code === 0 ? 'success' : 'failure';
  if (typeof step === 'function') {
    await step(job);
    result.outcome = outcome(0);
    return;
  }
  if ('uses' in step) {
    const action = readAction(step.uses);
    register(run, { action, step, result });
    result.main = await phase(run, { action, step, result }, 'main', action.main);
  } else result.main = await shell(run, step, result);
  result.outcome = outcome(result.main.code);
  if (result.outcome === 'failure' && !('uses' in step && step['continue-on-error'])) run.failed = true;
}

async function phase(run: Run, { action, step, result }: Used, stage: Stage, script: string): Promise<PhaseResult> {
  const files = filesFor(run, `${result.id}-${stage}`);
  const kept = run.kept.get(result.id) ?? {};
  const ended = await execute(run.machine, {
    command: process.execPath,
    args: [join(action.folder, script)],
    cwd: run.folders.workspace,
    env: {
      ...environment(run),
      ...step.env,
      ...files.variables,
      GITHUB_ACTION: result.id,
      GITHUB_ACTION_PATH: action.folder,
      ...inputsOf(action, typeof step.with === 'function' ? step.with() : (step.with ?? {})),
      ...Object.fromEntries(Object.entries(kept).map(([name, value]) => [`STATE_${name}`, value])),
    },
  });
  run.kept.set(result.id, { ...kept, ...parseFile(files.read('STATE')) });
  takeOver(run, result, files);
  return { ...ended, ...parseCommands(ended.text), summary: files.read('STEP_SUMMARY') };
}

async function shell(run: Run, step: ShellStep, result: StepResult): Promise<PhaseResult> {
  const files = filesFor(run, result.id);
  const ended = await execute(run.machine, {
    command: 'sh',
    args: ['-e', '-c', step.run],
    cwd: run.folders.workspace,
    env: { ...environment(run), ...files.variables },
  });
  takeOver(run, result, files);
  return { ...ended, ...parseCommands(ended.text), summary: files.read('STEP_SUMMARY') };
}

type FileName = 'OUTPUT' | 'ENV' | 'STATE' | 'STEP_SUMMARY' | 'PATH';
const FILES: readonly FileName[] = ['OUTPUT', 'ENV', 'STATE', 'STEP_SUMMARY', 'PATH'];

interface PhaseFiles {
  variables: Record<string, string>;
  read(name: FileName): string;
}

function filesFor({ folders }: Run, name: string): PhaseFiles {
  const own = join(folders.files, name);
  mkdirSync(own);
  for (const each of FILES) writeFileSync(join(own, each), '');
  return {
    variables: Object.fromEntries(FILES.map((each) => [`GITHUB_${each}`, join(own, each)])),
    read: (each) => readFileSync(join(own, each), 'utf8'),
  };
}

function takeOver(run: Run, result: StepResult, files: PhaseFiles): void {
  Object.assign(result.outputs, parseFile(files.read('OUTPUT')));
  Object.assign(run.added, parseFile(files.read('ENV')));
  run.paths.unshift(...files.read('PATH').split('\n').filter(Boolean));
}

const environment = ({ common, added, paths }: Run) => ({
  ...common,
  ...added,
  PATH: [...paths, common.PATH].join(delimiter),
});
