/**
 * The policies of deploy/inject on a real API server: the Pods that they make are those that `inject` makes, and they refuse what it refuses, with the same
 * words. The cluster is this file's own, since policies are everybody's in it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PREFIX } from '../../../image/inject/annotations.ts';
import { injectText } from '../../../image/inject/documents.ts';
import { documentAt } from '../../../src/documents.ts';
import type { Answer, ApiObject } from '../../harness/api.ts';
import { type OwnCluster, startCluster } from '../../harness/cluster.ts';
import { missing } from '../../harness/real.ts';
import { until } from '../../harness/until.ts';
import { GUARDED, SPOILED, SPOILED_SENTENCE, spoiled } from './guarded.ts';
import { container, kinds, misplaced, NOT_THERE, type Pod, podOf, workload } from './pods.ts';
import { REFUSED } from './refused.ts';

const injected = <T>(object: T): T => {
  const done = injectText(JSON.stringify(object));
  assert.ok(done.kind === 'text', JSON.stringify(done));
  return JSON.parse(done.text);
};

describe('the policies', { skip: missing }, () => {
  let cluster: OwnCluster;
  let namespace = '';
  /** What `inject` makes of each Pod, as an API server without any policy stores it. */
  const stored = new Map<string, [fromPod: ApiObject, fromJob: ApiObject]>();

  const storedOf = (title: string): [ApiObject, ApiObject] => {
    const found = stored.get(title);
    assert.ok(found, title);
    return found;
  };
  const newNamespace = async (labels: Record<string, string> = {}) => {
    const name = await cluster.namespace('inject');
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    await cluster.serviceAccountToken({ namespace: name, name: 'default' });
    return name;
  };
  const create = (object: { apiVersion: string; kind: string }, { dryRun = false, within = namespace } = {}): Promise<Answer> => {
    const group = object.apiVersion === 'v1' ? '/api/v1' : `/apis/${object.apiVersion}`;
    const path = `${group}/namespaces/${within}/${object.kind.toLowerCase()}s?fieldValidation=Strict`;
    return cluster.request('POST', dryRun ? `${path}&dryRun=All` : path, object);
  };
  const created = async (object: { apiVersion: string; kind: string }, within = namespace): Promise<ApiObject> => {
    const answer = await create(object, { within });
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  };
  const refusedWith = (sentence: string) => ` denied request: ${sentence}`;

  before(async () => {
    cluster = await startCluster();
    const without = await newNamespace();
    for (const guarded of GUARDED) {
      const fromPod = await created(injected(podOf(guarded)), without);
      const fromJob = await created(podOfJob(injected(workload('Job', podOf(guarded)))), without);
      stored.set(guarded.title, [fromPod, fromJob]);
    }
    namespace = await newNamespace();
    const base = fileURLToPath(new URL('../../../deploy/inject', import.meta.url));
    execFileSync(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, 'apply', '-k', base], { stdio: 'pipe' });
    // Each comes into force at its own time.
    const probe = podOf({ title: 'probe', annotations: {}, spec: {} });
    const wrong = podOf({ title: 'probe', annotations: { mode: 'both' }, spec: {} });
    await until(async () => (await create(probe, { dryRun: true })).text.includes('lease-lock-install'), 'the mutating policy');
    await until(async () => (await create(wrong, { dryRun: true })).status !== 201, 'the validating policy');
  });
  after(() => cluster?.stop());

  for (const { mode, ...guarded } of GUARDED) {
    it(`make the same of a Pod as inject: ${guarded.title}`, async () => {
      const pod = await created(podOf(guarded));
      assert.equal(pod.metadata.annotations?.[`${PREFIX}injected`], mode);
      for (const other of storedOf(guarded.title)) {
        assert.deepEqual(pod.metadata.annotations, other.metadata.annotations);
        assert.deepEqual(comparable(pod.spec), comparable(other.spec));
      }
    });

    it(`leave what inject has made as it is: ${guarded.title}`, async () => {
      const pod = await created(injected(podOf({ ...guarded, title: `${guarded.title} again` })));
      assert.deepEqual(comparable(pod.spec), comparable(storedOf(guarded.title)[0].spec));
    });

    it(`admit its template, and leave it as it is: ${guarded.title}`, async () => {
      const raw = workload(guarded.spec.restartPolicy === 'Always' ? 'Deployment' : 'Job', podOf(guarded));
      const { status, body } = await create(raw, { dryRun: true });
      assert.equal(status, 201, body.message);
      assert.doesNotMatch(JSON.stringify(body.spec), /"lease-lock["-]/);
      assert.equal((await create(injected(raw), { dryRun: true })).status, 201);
    });
  }

  for (const { sentence, ...refused } of REFUSED) {
    it(`refuse a Pod and a Job: ${refused.title}`, async () => {
      for (const object of [podOf(refused), workload('Job', podOf(refused))]) {
        const { status, body } = await create(object, { dryRun: true });
        assert.equal(status, 422, body.message);
        assert.ok(body.message?.endsWith(refusedWith(sentence)), body.message);
      }
    });
  }

  for (const kind of kinds) {
    it(`refuse the template of a ${kind}, when it is made and when it is changed`, async () => {
      const bare = podOf({
        title: `changed ${kind}`,
        annotations: {},
        spec: { restartPolicy: kind.endsWith('Job') ? 'Never' : 'Always' },
      });
      const wrong = {
        ...bare,
        metadata: { ...bare.metadata, annotations: { ...bare.metadata.annotations, [`${PREFIX}on-busy`]: 'x' } },
      };
      const sentence = refusedWith(
        `annotation ${PREFIX}on-busy is "x": write wait, fail, skip or replace (${documentAt('inject.md#annotations')})`,
      );
      assert.ok((await create(workload(kind, wrong), { dryRun: true })).body.message?.endsWith(sentence));
      const made = await created(workload(kind, bare));
      const group = made.apiVersion === 'v1' ? '/api/v1' : `/apis/${made.apiVersion}`;
      const path = `${group}/namespaces/${namespace}/${kind.toLowerCase()}s/${made.metadata.name}`;
      const change = (body: unknown) => cluster.request('PATCH', path, body, { contentType: 'application/merge-patch+json' });
      // A Job's template can't be changed at all.
      if (kind !== 'Job') assert.ok((await change({ spec: workload(kind, wrong).spec })).body.message?.endsWith(sentence));
      assert.equal((await change({ metadata: { labels: { other: 'x' } } })).status, 200);
    });

    it(`refuse annotations on a ${kind} instead of its template`, async () => {
      const { objects, sentence } = misplaced(kind);
      for (const object of objects) {
        const { body } = await create(object, { dryRun: true });
        assert.ok(body.message?.endsWith(refusedWith(sentence)), body.message);
      }
    });
  }

  for (const one of SPOILED) {
    it(`refuse what was injected and changed since: ${one.title}`, async () => {
      const pod = spoiled(one, injected);
      for (const object of [pod, workload('Job', pod)])
        assert.match((await create(object, { dryRun: true })).body.message ?? '', SPOILED_SENTENCE);
    });
  }

  it('refuse a Pod whose ServiceAccount gives it no token', async () => {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'mute', namespace },
      automountServiceAccountToken: false,
    });
    for (const containers of [[container()], [{ name: 'main', image: 'x' }]]) {
      const pod = podOf({ title: 'mute', annotations: {}, spec: { serviceAccountName: 'mute', containers } });
      const { body } = await create(pod, { dryRun: true });
      assert.ok(
        body.message?.endsWith(
          `the guard gets no token of a service account: set automountServiceAccountToken to true (${documentAt('inject.md#requirements')})`,
        ),
        body.message,
      );
    }
  });

  it('let a Pod without the annotation be', async () => {
    const spec = { containers: [container()], hostNetwork: true };
    const { metadata, ...pod } = podOf({ title: 'plain', annotations: { name: NOT_THERE }, spec });
    const made = await created({ ...pod, metadata } as Pod);
    assert.deepEqual(made.metadata.annotations, { 'example.com/other': 'stays' });
    assert.equal(made.spec.initContainers, undefined);
    assert.deepEqual((made.spec.containers as { command: string[] }[])[0]?.command, ['/usr/local/bin/backup']);
  });

  it('make Pods that a restricted namespace admits', async () => {
    const within = await newNamespace({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    const seccompProfile = { type: 'RuntimeDefault' };
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsNonRoot: true };
    const initContainers = [{ name: 'fetch', image: 'x', securityContext }];
    for (const [title, more] of Object.entries({ wrap: {}, sidecar: { initContainers } })) {
      const pod = podOf({
        title,
        annotations: {},
        spec: { securityContext: { seccompProfile }, containers: [container({ securityContext })], ...more },
      });
      const made = await created(pod, within);
      assert.equal(made.metadata.annotations?.[`${PREFIX}injected`], title);
    }
    const loose = podOf({ title: 'loose', annotations: {}, spec: {} });
    assert.match((await create(loose, { within })).text, /violates PodSecurity/);
  });

  it('refuse a Pod that was not made a guarded one', async () => {
    const binding = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings/lease-lock-inject';
    assert.equal((await cluster.request('DELETE', binding)).status, 200);
    const sentence = `the Pod is not guarded as its annotations ask, since MutatingAdmissionPolicy lease-lock-inject did not run: apply deploy/inject, or use "k8s-lease-lock inject" (${documentAt('inject.md')})`;
    const pod = podOf({ title: 'left out', annotations: {}, spec: {} });
    let answer = await create(pod, { dryRun: true });
    await until(async () => {
      answer = await create(pod, { dryRun: true });
      return answer.status !== 201;
    }, 'a refusal');
    assert.ok(answer.body.message?.endsWith(refusedWith(sentence)), answer.body.message);
  });
});

/** What the Job's controller makes of its template. */
function podOfJob({ metadata, spec }: ReturnType<typeof workload>): { apiVersion: string; kind: string } {
  const { metadata: labelled, ...template } = spec.template as { metadata: object };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...labelled, name: `${metadata.name}-of-job` }, ...template } as never;
}

/** Without the names that the API server makes up, and without the order in which volumes were added. */
function comparable(spec: unknown): unknown {
  const renamed = JSON.stringify(spec).replace(/"kube-api-access-[a-z0-9]+"/g, '"token"');
  return JSON.parse(renamed, (key, value) => (key === 'volumes' || key === 'volumeMounts' ? [...value].sort(byName) : value));
}

const byName = (a: { name: string }, b: { name: string }): number => a.name.localeCompare(b.name);
