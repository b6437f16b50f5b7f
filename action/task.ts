/** What a step hands to the keeper that it starts. */
import type { Identity } from '../src/lock/index.ts';
import type { About } from '../src/protocol/lock-state.ts';
import type { Inputs } from './inputs.ts';
import type { ProcessName } from './process-name.ts';

/** All that a keeper needs to know, through its standard input: not its arguments or its environment, which others can read. */
export interface Task {
  folder: string;
  inputs: Inputs;
  identity: Identity;
  about: { [field in keyof About]: string | undefined };
  /** What asks for OIDC tokens and cancels runs. */
  env: Record<string, string | undefined>;
  /** The step that waits for the lock. */
  step: ProcessName;
  /** The runner of this job, where it is to be seen. */
  runner: ProcessName | undefined;
}
