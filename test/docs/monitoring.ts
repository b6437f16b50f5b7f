/** What deploy/monitoring asks for, what a real guard serves, and promtool, which knows both languages. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { startLeaseServer } from '../../src/server/server.ts';
import { goPrograms } from '../cluster/go-programs.ts';
import { guard, tempFolder } from '../harness/guards.ts';
import { read } from './documents.ts';

export const FOLDER = 'deploy/monitoring';

export interface Panel {
  id: number;
  type: string;
  title: string;
  description: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource: { uid: string };
  targets: { expr: string; legendFormat: string }[];
}

export interface Dashboard {
  uid: string;
  links: { url: string }[];
  templating: { list: { name: string; query: string | { query: string } }[] };
  panels: Panel[];
}

interface Rule {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export const dashboard = JSON.parse(read(`${FOLDER}/dashboard.json`)) as Dashboard;
export const rules = (parse(read(`${FOLDER}/rules.yaml`)) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

/** Every query of the dashboard, with what Grafana would put in place of its variables. */
export const queries = dashboard.panels
  .flatMap(({ targets }) => targets.map(({ expr }) => expr))
  .map((expr) => expr.replaceAll(/"\$lock(?:_namespace)?"/g, '".*"').replaceAll('$__rate_interval', '1m'));

export interface Served {
  text: string;
  /** The series of a sample, with its value. */
  series: { series: string; name: string; labels: string[]; value: number }[];
}

/** The metrics of a sidecar that holds a lock. */
export async function scrape(t: TestContext): Promise<Served> {
  const server = await startLeaseServer();
  t.after(() => server.close());
  const args = ['--server', server.url, '-n', 'locks', '--name', 'nightly', '--dir', tempFolder(t), '--status-port', '0', '-v'];
  const sidecar = guard(t, ['hold', ...args]);
  await sidecar.says(/acquired Lease/);
  const [, port = ''] = /status and metrics on port (\d+)/.exec(sidecar.stderr) ?? [];
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return {
    text,
    series: samples.map((line) => {
      const [, series = '', name = '', labels = '', value = ''] = /^((\w+)(?:\{(.*)\})?) (\S+)$/.exec(line) ?? [];
      return { series, name, labels: [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label), value: Number(value) };
    }),
  };
}

/** Without the clients of clouds, which promtool needs to look up targets, and these tests do not. */
const MODULE = {
  folder: fileURLToPath(new URL('promtool', import.meta.url)),
  ldflags: '-s -w',
  tags: 'remove_all_sd',
};

export type Promtool = (...args: string[]) => Promise<string>;

/** Where it can't be had that is said, and under CI it is a failure. */
export async function promtool(): Promise<Promtool | undefined> {
  const dir = await goPrograms(MODULE, { promtool: 'github.com/prometheus/prometheus/cmd/promtool' });
  const missing = 'NOT TESTED: the alert rules by promtool, since there is no Go to build it';
  if (dir === undefined && process.env.CI) throw new Error(missing);
  if (dir === undefined) process.stderr.write(`${missing}\n`);
  if (dir === undefined) return undefined;
  return async (...args) => (await promisify(execFile)(join(dir, 'promtool'), args)).stdout;
}
