/** Names of locks: refused with the nearest that is valid, or made of any text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { problemOfName, slug } from '../src/names.ts';

test('a name that the API server would refuse is refused here, and the nearest valid one is named', () => {
  const cases: [name: string, nearest: string | undefined][] = [
    ['Deploy_Prod', 'deploy-prod'],
    ['refs/heads/feature/Größe', 'refs-heads-feature-gro-e'],
    ['Build & Deploy-refs/heads/main', 'build-deploy-refs-heads-main'],
    ['deploy-', 'deploy'],
    ['a..b', 'a.b'],
    ['a.-b', 'a.b'],
    ['.hidden', 'hidden'],
    ['Zoë', 'zoe'],
    ['x'.repeat(260), 'x'.repeat(253)],
    ['部署', undefined],
    ['', undefined],
  ];
  for (const [name, nearest] of cases) {
    const problem = problemOfName(name) ?? assert.fail(name);
    assert.equal(/, such as "([^"]*)"$/.exec(problem)?.[1], nearest, problem);
  }
  for (const name of ['a', 'deploy', 'a.b-c.0', '0', 'x'.repeat(253)]) assert.equal(problemOfName(name), undefined);
});

test('the nearest name is valid, whatever was given', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const nearest = /, such as "([^"]*)"$/.exec(problemOfName(text) ?? '')?.[1];
      if (nearest !== undefined) assert.equal(problemOfName(nearest), undefined, nearest);
    }),
    { numRuns: 2000 },
  );
});

test('a slug is a valid name for any text, and no two texts have one', () => {
  assert.equal(slug('deploy'), 'deploy', 'what is valid stays');
  assert.match(slug('Deploy_Prod'), /^deploy-prod-[0-9a-f]{10}$/);
  assert.match(slug('部署'), /^[0-9a-f]{10}$/);
  const seen = new Map<string, string>();
  const add = (text: string) => {
    const name = slug(text);
    assert.equal(problemOfName(name), undefined, name);
    assert.equal(slug(text), name);
    assert.equal(seen.get(name) ?? text, text);
    seen.set(name, text);
  };
  const near = fc.constantFrom(
    'deploy-prod',
    'Deploy_Prod',
    'deploy_prod',
    'deploy/prod',
    'DEPLOY-PROD',
    'x'.repeat(300),
    'x'.repeat(301),
  );
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), near), add), { numRuns: 3000 });
  // A valid name that looks like the slug of another.
  add(slug('Deploy_Prod'));
});
