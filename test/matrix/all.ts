/**
 * `npm run test:matrix`: the npm package in the hands of those who use it: every Node that it is for, Jest and Vitest, TypeScript, bundlers, Bun and Deno. Not
 * part of `npm test`: these are 800 MB, in a package.json of their own.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' });
if (npm.status !== 0) process.exit(1);
const test = ['--test', '--test-concurrency=1', '--test-timeout=120000', `${folder}matrix.ts`];
process.exit(spawnSync(process.execPath, test, { stdio: 'inherit' }).status ?? 1);
