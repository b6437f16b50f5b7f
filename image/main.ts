#!/usr/bin/env node
import { access } from 'node:fs';
import { isSea } from 'node:sea';
import { isStuckWriting } from '../src/log.ts';
import { VERSION } from '../src/version.ts';
import { visible } from '../src/visible.ts';
/** The command line: which command it is. */
import { COMMANDS } from './commands.ts';
import { EXIT } from './exit-codes.ts';
import { overviewOf } from './help.ts';
import { nearest } from './nearest.ts';
import { printLine, write } from './stdout.ts';

const overview = () => overviewOf(Object.fromEntries(Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary])));

/** Not for people: for the scripts of shells, and for kubectl (commands/complete.ts). */
const COMPLETE = '__complete';
/** Not for people: see `exit`. */
const EXIT_WITH = 'exit-with';

async function main([command, ...argv]: string[]): Promise<number> {
  switch (command) {
    case EXIT_WITH:
      return Number(argv[0]);
    case COMPLETE:
      return await (await import('./commands/complete.ts')).complete(argv, process.env);
    case '-V':
    case '--version':
    case 'version':
      await printLine(VERSION);
      return 0;
    case '-h':
    case '--help':
    case 'help':
      if (argv[0] !== undefined) return await runNamed(argv[0], ['--help']);
      await write(overview());
      return 0;
    case undefined:
      process.stderr.write(overview());
      return EXIT.usage.code;
    default:
      return await runNamed(command, argv);
  }
}

async function runNamed(name: string, argv: readonly string[]): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? await COMMANDS[name]?.load() : undefined;
  if (command) return await command.run(argv, process.env);
  const near = nearest(name, Object.keys(COMMANDS));
  const unknown = `unknown ${name.startsWith('-') ? 'option' : 'command'} "${name}"${near ? `: did you mean "${near}"?` : ''}`;
  process.stderr.write(`k8s-lease-lock: ${visible(unknown)}\n\n${overview()}`);
  return EXIT.usage.code;
}

haveThreads(process.env);
exit(await main(process.argv.slice(2)));

/**
 * A line for a pipe that nobody reads takes a thread of Node's pool for as long, and whoever renews needs one, too: for files, and for names of hosts. The
 * pool looks at the environment, which the command is to get unchanged, when it is used for the first time.
 */
function haveThreads(env: NodeJS.ProcessEnv): void {
  const given = env.UV_THREADPOOL_SIZE;
  if (given === undefined || Number.parseInt(given, 10) > 1) return;
  env.UV_THREADPOOL_SIZE = '2';
  access('/', () => {});
  env.UV_THREADPOOL_SIZE = given;
}

/** process.exit() waits for a thread that writes to a pipe which nobody reads; this process's successor has none. */
function exit(code: number): void {
  const own = isSea() ? [process.execPath] : [process.execPath, process.argv[1] ?? ''];
  if (isStuckWriting() && process.platform !== 'win32') process.execve?.(process.execPath, [...own, EXIT_WITH, String(code)], {});
  process.exit(code);
}
