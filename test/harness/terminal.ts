/** A command line under a terminal, made by script(1): what is written to it is typed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { until } from './until.ts';

export interface Terminal {
  type(text: string): void;
  /** Waits for what has appeared since the last call, with ESC for the character. */
  shows(pattern: RegExp): Promise<string>;
  /** All that has appeared, once the command has ended. */
  ended: Promise<{ code: number | null; screen: string }>;
}

export interface TerminalOptions {
  env?: NodeJS.ProcessEnv;
  /** Of the window; a terminal that nobody has told is 0 wide. */
  columns?: number;
  rows?: number;
}

export function terminal(t: TestContext, command: string, { env = {}, columns, rows = 50 }: TerminalOptions = {}): Terminal {
  const sized = columns === undefined ? command : `stty cols ${columns} rows ${rows}; exec ${command}`;
  const child = spawn('script', ['-qe', '/dev/null', '-c', sized], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  let all = '';
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    all += text;
    screen += text.replaceAll('\x1b', 'ESC');
  });
  return {
    type: (text) => child.stdin.write(text),
    async shows(pattern) {
      await until(() => pattern.test(screen), `the screen shows ${pattern}: ${JSON.stringify(screen)}`);
      const [found = ''] = screen.match(pattern) ?? [];
      screen = screen.slice(screen.search(pattern) + 1);
      return found;
    },
    ended: once(child, 'close').then(([code]) => ({ code, screen: all })),
  };
}
