/**
 * Makes the guard one executable: a Node with the bundle in it (Node's single executable application).
 *   node image/executable/sea.mjs NODE OUT      NODE may be of another processor
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';

const [node, out] = process.argv.slice(2);
const bundle = 'dist/cli';
const files = readdirSync(bundle).filter((file) => file.endsWith('.js'));
const configuration = {
  main: 'image/executable/loader.cjs',
  output: 'build/sea.blob',
  disableExperimentalSEAWarning: true,
  useSnapshot: false,
  useCodeCache: false,
  // SIGUSR1 belongs to the command; by default it opens Node's inspector. No thread compiles: one that waits for memory would keep the process from ending.
  // OpenSSL's own authorities are never asked, since each connection is given some; Node would read all of those that it brings at each start.
  execArgv: [
    '--no-warnings',
    '--use-openssl-ca',
    '--disable-sigusr1',
    '--no-concurrent-sparkplug',
    '--no-concurrent-recompilation',
  ],
  // The workload's NODE_OPTIONS is not for the guard.
  execArgvExtension: 'none',
  assets: Object.fromEntries(files.map((file) => [file, `${bundle}/${file}`])),
};
mkdirSync('build', { recursive: true });
writeFileSync('build/sea.json', JSON.stringify(configuration));
const run = (file, ...args) => execFileSync(file, args, { stdio: ['ignore', 'ignore', 'inherit'] });
run(process.execPath, '--experimental-sea-config', 'build/sea.json');
copyFileSync(node, out);
chmodSync(out, 0o755);
// Before the blob goes in: any other order gives a dead binary. Of another processor only where its binutils are there; it is then larger, no more.
const strips = { x64: 'x86_64-linux-gnu-strip', arm64: 'aarch64-linux-gnu-strip' };
for (const strip of [strips[process.env.ARCH ?? process.arch], 'strip']) {
  try {
    execFileSync(strip, [out], { stdio: 'ignore' });
    break;
  } catch {}
}
run(
  'node_modules/.bin/postject',
  out,
  'NODE_SEA_BLOB',
  'build/sea.blob',
  '--sentinel-fuse',
  'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2',
);
