/** Writes the configuration of Node's single executable: the bundle's files become assets of it. */
import { readdirSync, writeFileSync } from 'node:fs';

const bundle = 'dist/cli';
const files = readdirSync(bundle).filter((file) => file.endsWith('.js'));
const configuration = {
  main: 'image/executable/loader.cjs',
  output: 'build/sea.blob',
  disableExperimentalSEAWarning: true,
  useSnapshot: false,
  useCodeCache: false,
  // SIGUSR1 belongs to the command; by default it opens Node's inspector. No thread compiles: one that waits for memory would keep the process from ending.
  execArgv: ['--no-warnings', '--disable-sigusr1', '--no-concurrent-sparkplug', '--no-concurrent-recompilation'],
  // The workload's NODE_OPTIONS is none of ours.
  execArgvExtension: 'none',
  assets: Object.fromEntries(files.map((file) => [file, `${bundle}/${file}`])),
};
writeFileSync('build/sea.json', JSON.stringify(configuration));
