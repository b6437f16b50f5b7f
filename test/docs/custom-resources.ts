/** A real API server that knows the resources of the tools which the documents name. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after } from 'node:test';
import { promisify } from 'node:util';
import { type OwnCluster, startCluster } from '../harness/cluster.ts';
import { until } from '../harness/until.ts';
import { definitions } from './crds.ts';

export interface Judge {
  cluster: OwnCluster;
  kubectl(...args: string[]): Promise<string>;
  /** What the API server says of this manifest, which it has to know in every field. */
  accepts(file: string): Promise<string>;
}

/** A cluster of its own, since a definition changes what all clients of a cluster see. */
export async function judge(modules: readonly string[]): Promise<Judge> {
  const files = await definitions(modules);
  assert.ok(files, 'NOT TESTED: the resources of other tools, since there is no Go to get their definitions');
  const cluster = await startCluster();
  after(() => cluster.stop());
  const kubectl = async (...args: string[]) =>
    (await promisify(execFile)(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, ...args], { maxBuffer: 64 << 20 })).stdout;
  for (const file of files) await kubectl('create', '-f', file);
  const accepts = (file: string) => kubectl('create', '--dry-run=server', '--validate=strict', '-f', file);
  // kubectl asks for the schemas, which the API server adds a moment after the definitions.
  await until(async () => (await unknown(cluster)).length === 0, 'the API server knows the definitions');
  return { cluster, kubectl, accepts };
}

interface Definition {
  spec: { group: string; names: { kind: string }; versions: { name: string; served: boolean }[] };
}

/** The definitions whose schemas are not served yet. */
async function unknown({ request }: OwnCluster): Promise<Definition[]> {
  const { body } = await request('GET', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions');
  const found = await Promise.all(
    (body.items as unknown as Definition[]).map(async (definition) => {
      const { group, names, versions } = definition.spec;
      const served = versions.filter((version) => version.served);
      const schemas = served.map(({ name }) => request('GET', `/openapi/v3/apis/${group}/${name}`));
      const known = (await Promise.all(schemas)).every(({ body: schema }) =>
        JSON.stringify(schema).includes(`"kind":"${names.kind}"`),
      );
      return known ? [] : [definition];
    }),
  );
  return found.flat();
}
