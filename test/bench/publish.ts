/** Writes results below docs/benchmarks: the values as JSON, a picture, and a page with all tables that are there. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { plotOf } from './plot.ts';
import { markdownOf, type Result } from './results.ts';

interface Published extends Result {
  machine: string;
}

/** No names of hosts: what the figures depend on. */
const machine = (): string =>
  `${cpus().length} processors (${cpus()[0]?.model}), Linux ${release().replace(/[^\d.].*/, '')}, Node ${process.versions.node}, etcd without fsync`;

export function publish(folder: string, results: readonly Result[]): void {
  mkdirSync(folder, { recursive: true });
  for (const result of results)
    writeFileSync(join(folder, `${result.id}.json`), `${jsonOf({ ...result, machine: machine() })}\n`);
  // From what was written, as everybody else reads it.
  const all = readAll(folder);
  for (const each of all) writeFileSync(join(folder, `${each.id}.svg`), plotOf(each));
  writeFileSync(join(folder, 'README.md'), pageOf(all));
}

const rounded = (_: string, value: unknown) => (typeof value === 'number' ? Math.round(value * 100) / 100 : value);

/** The values of a row in one line. */
const jsonOf = (result: Published): string =>
  JSON.stringify(result, rounded, 2).replace(
    /\[\s+([-\d.,\s]+?)\s+\]/g,
    (_, values: string) => `[${values.replace(/\s+/g, ' ')}]`,
  );

export function readAll(folder: string): Published[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Published);
}

export function pageOf(results: readonly Published[]): string {
  const parts = results.map(
    (result) =>
      `## ${result.title}\n\n${markdownOf(result)}\n\n![${result.title}](${result.id}.svg)\n\nMeasured on ${result.machine}.\n`,
  );
  return `# Benchmarks

\`npm run bench -- --write\` measures all of this beside each other on one machine, with a real API server and its
etcd, and writes this page. The figures depend on the machine, and on what else it does; compare the ratios.

- **flock** locks a file, on one machine only.
- **etcdctl lock** asks etcd itself, without an API server.
- **client-go leader election** runs a command while it leads, by the durations that Kubernetes' own components use.
- **K8SLock 0.2.5** is the previous version of this library, with a lease of 1 s; the default is 30 s. It does not
  release the lock, and what waits is served when the lease has run out.
- **minimal client** is the least that a program on Node can do: it reads a Lease and writes it twice, over TLS, and
  starts the command. It promises nothing.

${parts.join('\n')}`;
}
