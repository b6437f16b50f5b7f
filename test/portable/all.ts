/**
 * `npm run test:portable`: what needs no Linux, for runners with macOS and Windows: the rules, the loop, the simulated guard, reading of answers and
 * options, and the built program on this system.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { FILES, root } from './files.ts';

const files = FILES.flatMap((pattern) => globSync(pattern, { cwd: root }));
const { status } = spawnSync(process.execPath, ['--test', '--test-timeout=300000', ...files], { cwd: root, stdio: 'inherit' });
process.exitCode = status ?? 1;
