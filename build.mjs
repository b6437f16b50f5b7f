/**
 * Builds the two bundles and the npm package's library from the compiled sources. tsc first, since ncc cannot compile TypeScript 7. ncc makes
 * the bundles, with the licences of what is in them; esbuild then minifies every file of them, where ncc minifies its entry alone.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { buildSync, transformSync } from 'esbuild';

const root = fileURLToPath(new URL('.', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
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
  bundlePage();
  // tsc copies package.json, since the version is read from it; it also tells ncc to keep ES modules, since CommonJS breaks on import.meta.
}

/** What runs in a browser goes into the bundle as a text (image/ui/script.ts). */
function bundlePage() {
  const { outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: ['build/image/ui/browser/main.js'],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    write: false,
  });
  const script = JSON.stringify(outputFiles[0].text);
  writeFileSync(`${root}build/image/ui/script.js`, `export const SCRIPT = ${script};\n`);
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

/** As package.json says; an older Node would stop at something that it does not know. */
const [major, minor] = manifest.engines.node.match(/\d+/g);
const tooOld = `const node = process.versions.node.split('.').map(Number); if (node[0] < ${major} || (node[0] === ${major} && node[1] < ${minor}))`;
const sentence = (name) => `'${name} requires Node ${major}.${minor} or later, and this is Node ' + process.versions.node`;

/** What npm links to: the bundle itself could not even be read by an older Node. */
function writeBin() {
  const complaint = `process.stderr.write(${sentence('k8s-lease-lock')} + '\\n'); process.exit(78);`;
  writeFileSync(`${root}dist/cli/bin.js`, `#!/usr/bin/env node\n${tooOld} { ${complaint} }\nawait import('./index.js');\n`, {
    mode: 0o755,
  });
}

/**
 * dist/lib: one CommonJS file, since test runners and programs that require it cannot all require ES modules; a module that exports the same, so that both
 * have one LockError; and the types for either. Dependencies stay outside.
 */
function bundleLibrary() {
  rmSync(`${root}dist/lib`, { recursive: true, force: true });
  buildSync({
    absWorkingDir: root,
    entryPoints: ['build/src/library/index.js'],
    outfile: 'dist/lib/index.cjs',
    bundle: true,
    format: 'cjs',
    // Jest has no import() in CommonJS.
    supported: { 'dynamic-import': false },
    platform: 'node',
    target: 'node22',
    packages: 'external',
    legalComments: 'none',
    banner: { js: `{ ${tooOld} throw new Error(${sentence(manifest.name)}); }` },
  });
  const names = Object.keys(createRequire(import.meta.url)('./dist/lib/index.cjs')).sort();
  writeFileSync(`${root}dist/lib/index.js`, `export { ${names.join(', ')} } from './index.cjs';\n`);
  tsc('tsconfig.library.json');
  orExit(process.execPath, 'api-report.mjs', '--types');
  cpSync(`${root}dist/lib/index.d.ts`, `${root}dist/lib/index.d.cts`);
}

/** As kubectl starts it: `kubectl_complete-lease_lock WORD...` completes `kubectl lease-lock`. */
function bundleCli() {
  bundle('image/main.js', 'dist/cli', '--license', 'licenses.txt');
  writeBin();
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
