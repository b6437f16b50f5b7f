// Builds the npm package's library into dist/lib: plain ES modules and the types that its door shows. Dependencies stay outside.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
const compiled = `${root}build/library`;
const library = `${root}dist/lib`;

rmSync(compiled, { recursive: true, force: true });
rmSync(library, { recursive: true, force: true });
try {
  execFileSync(`${root}node_modules/.bin/tsc`, ['-p', 'tsconfig.library.json'], { cwd: root, stdio: 'inherit' });
} catch {
  process.exit(1); // tsc has said why
}

const importsOf = (text) => [...text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g)].map(([, name]) => name);

/** A file and all that it imports. */
function reached(file, resolve, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const name of importsOf(readFileSync(`${compiled}/src/${file}`, 'utf8'))) {
    if (!name.endsWith('.json')) reached(resolve(join(dirname(file), name)), resolve, seen);
  }
  return seen;
}

for (const file of reached('index.js', (path) => path)) {
  mkdirSync(dirname(`${library}/${file}`), { recursive: true });
  // The sources are one folder below package.json, the library is two.
  const text = readFileSync(`${compiled}/src/${file}`, 'utf8').replaceAll("'../package.json'", "'../../package.json'");
  writeFileSync(`${library}/${file}`, text);
}
// The types of what is inside stay inside.
for (const file of reached('index.d.ts', (path) => path.replace(/\.[jt]s$/, '.d.ts'))) {
  const text = readFileSync(`${compiled}/src/${file}`, 'utf8').replaceAll(/(from ['"]\.[^'"]+)\.ts(['"])/g, '$1.js$2');
  writeFileSync(`${library}/${file}`, text);
}
rmSync(compiled, { recursive: true, force: true });
