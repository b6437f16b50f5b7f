/**
 * The CustomResourceDefinitions of the tools in docs/recipes.md and deploy/monitoring, from the Go modules that crds/go.mod names. What the tools
 * use is checked by a real API server that has them.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const folder = fileURLToPath(new URL('crds', import.meta.url));

const FILES: Record<string, string[]> = {
  'github.com/argoproj/argo-cd/v3': ['manifests/crds/application-crd.yaml'],
  'github.com/argoproj/argo-workflows/v4': ['manifests/base/crds/full/argoproj.io_workflows.yaml'],
  'github.com/fluxcd/kustomize-controller': ['config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml'],
  'github.com/prometheus-operator/prometheus-operator': [
    'example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml',
    'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
  ],
  'github.com/tektoncd/pipeline': ['config/300-crds/300-task.yaml', 'config/300-crds/300-taskrun.yaml'],
};

/** Their paths, or undefined where there is no Go to get them. */
export async function definitions(modules: readonly string[] = Object.keys(FILES)): Promise<string[] | undefined> {
  const works = await run('go', ['version']).then(
    () => true,
    () => false,
  );
  if (!works) return undefined;
  const all: string[] = [];
  for (const module of modules) {
    const version = new RegExp(`^\\t${module} (\\S+)$`, 'm').exec(readFileSync(join(folder, 'go.mod'), 'utf8'))?.[1];
    // Compared with go.sum by Go.
    const { stdout } = await run('go', ['mod', 'download', '-json', `${module}@${version}`], { cwd: folder });
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    for (const file of FILES[module] ?? []) all.push(join(Dir, file));
  }
  return all;
}
