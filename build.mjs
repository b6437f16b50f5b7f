// Builds the two bundles from the compiled sources. tsc first: ncc cannot compile TypeScript 7 by itself.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
const run = (command, ...args) =>
  execFileSync(`${root}node_modules/.bin/${command}`, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });

rmSync(`${root}build`, { recursive: true, force: true });
try {
  execFileSync(`${root}node_modules/.bin/tsc`, ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
} catch {
  process.exit(1); // tsc has said why
}
// The nearest package.json tells ncc to keep ES modules; CommonJS output breaks on yargs' import.meta.
writeFileSync(`${root}build/package.json`, '{"type":"module"}\n');
rmSync(`${root}dist/cli`, { recursive: true, force: true });
run('ncc', 'build', 'build/image/main.js', '--out', 'dist/cli', '--minify', '--quiet');
