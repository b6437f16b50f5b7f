/** The recipe for Helm 4, by Helm itself: the plugin is installed, and what a chart renders is guarded. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { goPrograms } from '../cluster/go-programs.ts';
import { BUNDLE, tempFolder } from '../harness/guards.ts';
import { fences, read, root } from './documents.ts';

const MODULE = { folder: fileURLToPath(new URL('helm', import.meta.url)), ldflags: '-s -w' };
const programs = await goPrograms(MODULE, { helm: 'helm.sh/helm/v4/cmd/helm' });
const missing = 'NOT TESTED: the recipe for Helm, since there is no Go to build it';
if (!programs && process.env.CI) throw new Error(missing);
if (!programs) process.stderr.write(`${missing}\n`);
const tested = programs ? test : test.skip; // said above, and a failure under CI

tested('the plugin for Helm 4 guards what a chart renders, with the commands of the recipe', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'chart/templates'), { recursive: true });
  writeFileSync(join(folder, 'chart/Chart.yaml'), 'apiVersion: v2\nname: backup\nversion: 1.0.0\n');
  const template = read('examples/kubernetes/queue.yaml').replace(/^ {2}name: report$/m, '  name: {{ .Release.Name }}');
  writeFileSync(join(folder, 'chart/templates/queue.yaml'), template);
  writeFileSync(join(folder, 'k8s-lease-lock'), `#!/bin/sh\nexec ${process.execPath} ${BUNDLE} "$@"\n`, { mode: 0o755 });
  const env = { PATH: `${folder}:${programs}:${process.env.PATH}`, HOME: folder };
  const run = (line: string) => promisify(execFile)('sh', ['-ec', line], { cwd: folder, env });

  const [install = '', upgrade = ''] = (fences('docs/recipes.md', 'text')[1] ?? '').split('\n');
  await run(install.replace('./examples', join(root, 'examples')));
  assert.match((await run('helm plugin list')).stdout, /^lease-lock\s+1\.0\.0\s+postrenderer\/v1/m);
  const rendering = upgrade.replace('upgrade --install', 'template');
  assert.notEqual(rendering, upgrade);
  const { metadata, spec } = parse((await run(rendering)).stdout);
  const [installer] = spec.jobTemplate.spec.template.spec.initContainers;
  assert.deepEqual([metadata.name, installer.name], ['backup', 'lease-lock-install']);
});
