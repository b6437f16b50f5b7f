/**
 * No command of a document stands there unproved. Those in blocks of `sh` are run one by one (examples.test.ts), those of `bash` in the order in which a
 * reader meets them; what a test has to run in another way stands in blocks of `text`, and is listed here.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documents, fences, read } from './documents.ts';

/** The pages whose blocks of `bash` are walked, and by which test. */
const WALKS: Record<string, string> = {
  'README.md': 'test/docs/readme.test.ts',
  'docs/operate.md': 'test/docs/operate.test.ts',
  'docs/recipes.md': 'test/docs/recipes.test.ts',
  'docs/troubleshooting.md': 'test/docs/troubleshooting.test.ts',
};

/** Commands in blocks of `text`: what each begins with, and the test that does it; what no test can do here, with the reason. */
const ELSEWHERE: Record<string, string> = {
  'npm ci': '.ci/run',
  'npm run build': '.ci/run',
  'npm test': '.ci/run',
  'npm install @nullplatform/k8s-lease-lock': 'test/library/installed.ts',
  'cosign verify': 'test/docs/community.test.ts',
  'sha256sum --check --ignore-missing SHA256SUMS': 'test/image/executable/release.test.ts',
  'docker build': 'test/node/harness/images.sh',
  'kubectl apply -k deploy/inject': 'test/image/inject/policies.test.ts',
  'kubectl apply -k "https://github.com': 'the same folder, from GitHub',
  'k8s-lease-lock inject -f job.yaml | kubectl apply -f -': 'test/image/inject/inject.test.ts',
  'kubectl apply -k deploy/monitoring': 'test/docs/monitoring.test.ts',
  'kubectl krew install': 'test/image/executable/krew.test.ts',
  'k8s-lease-lock ui': 'test/ui/page.test.ts',
  'eval "$(k8s-lease-lock completion': 'test/e2e/completion.test.ts',
  'k8s-lease-lock completion': 'test/e2e/completion.test.ts',
  'etcdutl snapshot restore': 'test/availability/restored.test.ts',
  'helm upgrade': 'test/docs/helm.test.ts',
  'helm plugin install': 'test/docs/helm.test.ts',
  'kubectl apply -k deploy/holders': 'test/theft/deploy.test.ts',
  'kubectl label namespace': 'test/theft/deploy.test.ts',
  'kubectl get lease deploy': 'test/theft/deploy.test.ts',
  'kubectl patch lease deploy': 'test/theft/deploy.test.ts',
};

const PROGRAM = /^\$? ?(?:eval|npm|npx|k8s-lease-lock|kubectl|helm|docker|cosign|sha256sum|curl|tar|brew|etcdutl)\b(?!: )/;

test('every command in a block of text is that of a test', () => {
  const lines = documents.flatMap((path) =>
    ['text', '', 'console', 'shell'].flatMap((language) =>
      fences(path, language).flatMap((text) => text.split('\n').map((line) => ({ path, line: line.trim() }))),
    ),
  );
  const commands = lines.filter(({ line }) => PROGRAM.test(line));
  assert.ok(commands.length >= 15, String(commands.length));
  const known = Object.keys(ELSEWHERE);
  assert.deepEqual(
    commands.filter(({ line }) => !known.some((start) => line.startsWith(start))),
    [],
  );
  assert.deepEqual(
    known.filter((start) => !commands.some(({ line }) => line.startsWith(start))),
    [],
    'no document has these any more',
  );
  for (const file of Object.values(ELSEWHERE)) if (!file.includes(' ')) assert.ok(read(file), file);
});

test('every block of bash is on a page that is walked', () => {
  const pages = documents.filter((path) => fences(path, 'bash').length > 0);
  assert.deepEqual(pages.sort(), Object.keys(WALKS).sort());
  for (const file of Object.values(WALKS)) assert.ok(read(file), file);
});
