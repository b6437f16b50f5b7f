/**
 * Builds the two bundles and the npm package's library from the compiled sources. tsc first, since ncc cannot compile TypeScript 7. ncc makes
 * the bundles, with the licences of what is in them; esbuild then minifies every file of them, where ncc minifies its entry alone.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync, transformSync } from 'esbuild';

const root = fileURLToPath(new URL('.', import.meta.url));
const run = (command, ...args) =>
  execFileSync(`${root}node_modules/.bin/${command}`, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });

/** Runs a program that prints what is wrong by itself. */
function orExit(file, ...args) {
  try {
    execFileSync(file, args, { cwd: root, stdio: 'inherit' });
  } catch {
    process.exit(1);
  }
}

const tsc = (project) => orExit(`${root}node_modules/.bin/tsc`, '-p', project);

function compile() {
  rmSync(`${root}build`, { recursive: true, force: true });
  tsc('tsconfig.build.json');
  // tsc copies package.json, since the version is read from it; it also tells ncc to keep ES modules, since CommonJS breaks on import.meta.
}

function bundle(entry, folder, ...options) {
  rmSync(`${root}${folder}`, { recursive: true, force: true });
  run('ncc', 'build', `build/${entry}`, '--out', folder, '--quiet', ...options);
  for (const file of globSync(`${folder}/**/*.js`, { cwd: root })) {
    const { code } = transformSync(readFileSync(`${root}${file}`, 'utf8'), {
      minify: true,
      format: 'esm',
      target: 'node22',
      legalComments: 'none',
    });
    writeFileSync(`${root}${file}`, code);
  }
  // The guard starts the one for its platform.
  cpSync(`${root}src/guard/supervisor/bin`, `${root}${folder}/supervisor`, { recursive: true });
}

/** dist/lib: plain ES modules, and one file of types with nothing in it but what the library shows. Dependencies stay outside. */
function bundleLibrary() {
  rmSync(`${root}dist/lib`, { recursive: true, force: true });
  buildSync({
    absWorkingDir: root,
    entryPoints: ['build/src/library/index.js'],
    outdir: 'dist/lib',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    packages: 'external',
    legalComments: 'none',
  });
  tsc('tsconfig.library.json');
  orExit(process.execPath, 'api-report.mjs', '--types');
}

/** As kubectl starts it: `kubectl_complete-lease_lock WORD...` completes `kubectl lease-lock`. */
function bundleCli() {
  bundle('image/main.js', 'dist/cli', '--license', 'licenses.txt');
  writeFileSync(
    `${root}dist/cli/complete.js`,
    `#!/usr/bin/env node
import { fileURLToPath } from 'node:url';

process.argv.splice(1, 1, fileURLToPath(new URL('index.js', import.meta.url)), '__complete');
await import('./index.js');
`,
    { mode: 0o755 },
  );
}

/** The processes that the Action consists of; each starts the one bundle at its own function. */
const PHASES = ['pre', 'main', 'post', 'keeper'];

function bundleAction(folder) {
  bundle('action/index.js', folder, '--license', 'licenses.txt');
  for (const phase of PHASES) {
    writeFileSync(
      `${root}${folder}/${phase}.js`,
      `import { ${phase} } from './index.js';

await ${phase}();
// Kept-alive connections would keep it for as long; what was printed has to be out.
process.stdout.write('', () => process.exit());
`,
    );
  }
}

/** action/dist is committed, since GitHub runs it as it is: it has to be what its sources make. */
function checkAction() {
  bundleAction('build/action-dist');
  const filesOf = (folder) => globSync(['*.*', 'supervisor/*'], { cwd: `${root}${folder}` }).sort();
  const read = (folder, file) => readFileSync(`${root}${folder}/${file}`);
  const built = filesOf('build/action-dist');
  const differs = (file) => !read('build/action-dist', file).equals(read('action/dist', file));
  if (built.join() === filesOf('action/dist').join() && !built.some(differs)) return;
  process.stderr.write('action/dist is not what action/ and src/ make: run "npm run build" and commit it\n');
  process.exit(1);
}

/** `--check`: whether action/dist is up to date. `--only cli`: what the image needs. */
const [option, part] = process.argv.slice(2);
compile();
if (option === '--check') checkAction();
else {
  bundleCli();
  if (!(option === '--only' && part === 'cli')) {
    bundleAction('action/dist');
    bundleLibrary();
  }
}
