/**
 * Real workflows, run by act, which is a runner that others have written: no Docker, no network, each repository a folder. The steps write
 * down what they did where the test reads it.
 */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { intervals, overlap } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { placeFor } from './act-place.ts';
import { guarded, type Lab, lab } from './lab.ts';
import { workflowTools } from './tools/tools.ts';

const tools = await workflowTools();
const acted = tools ? real : test.skip; // said by workflowTools(), and a failure under CI
const act = tools?.act ?? '';

const expression = (text: string): string => `\${{ ${text} }}`;

/** The step that a workflow takes the lock with. */
function lockStep(at: Lab, more: Record<string, string> = {}, fields: Record<string, string> = {}): string {
  const { token: _, ...inputs } = at.inputs(more);
  const given = { ...inputs, token: expression('secrets.KUBE_TOKEN') };
  const lines = Object.entries(given).map(([name, value]) => `          ${name}: ${JSON.stringify(value)}`);
  const own = Object.entries({ id: 'lock', ...fields }).map(([name, value]) => `        ${name}: ${value}\n`);
  return `      - uses: nullplatform/k8s-lease-lock@v1\n${own.join('')}        with:\n${lines.join('\n')}\n`;
}

const shell = (command: string, more = ''): string => `      - run: |\n          ${command}\n${more}`;
const job = (steps: string, more = ''): string => `    runs-on: ubuntu-latest\n${more}    steps:\n${steps}`;
const workflow = (jobs: Record<string, string>): string =>
  `name: Deploy\non: push\njobs:\n${Object.entries(jobs)
    .map(([name, text]) => `  ${name}:\n${text}`)
    .join('')}`;

const note = (what: string, who: string) =>
  `echo "${what} ${who} ${expression('steps.lock.outputs.token')} $(date +%s%N)" >>"$NOTES"`;
const waitForGo = 'until [ -e "$GO" ]; do sleep 0.05; done';

acted('two repositories deploy one after the other, and who waits is told where the other runs', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const deploy = (who: string) =>
    workflow({ deploy: job(lockStep(at) + shell(`${note('start', who)}; ${waitForGo}; ${note('end', who)}`)) });
  const first = place.run('acme/api', deploy('api'));
  await until(() => place.noted().length === 1, 'the first deploys');
  assert.match(await at.holder(), /^gha\/acme%2Fapi\/4711\/1\/deploy\/\w{10}$/);
  const second = place.run('acme/web', deploy('web'));
  await second.prints(
    /waiting for Lease [^ ]+: next in queue; held by gha\/acme%2Fapi\/4711\/1\/deploy\/\w+ \(alice\).*Deploy: deploy, https:\/\/github\.com\/acme\/api\/actions\/runs\/4711/,
  );
  await at.untilWaiting();
  writeFileSync(place.go, '');
  const results = await Promise.all([first.finished, second.finished]);
  for (const { code, results: jobs, text } of results) {
    assert.deepEqual([code, jobs], [0, { deploy: 'success' }], text);
    assert.ok(!text.includes(at.token), 'the secret is masked');
  }
  const all = intervals(place.notes);
  assert.deepEqual(
    all.map(({ who }) => who),
    ['api', 'web'],
  );
  assert.equal(overlap(all), undefined);
  assert.ok(BigInt(all[1]?.token ?? 0) > BigInt(all[0]?.token ?? 0), 'the fencing token grows');
  assert.equal(await at.holder(), '');
});

acted('a newer deploy of another repository replaces the one that runs, and supersedes the one that waits', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const command = (who: string) => `echo "${who} runs" >>"$NOTES"; ${waitForGo}; echo "${who} ends" >>"$NOTES"`;
  const first = place.run('acme/api', workflow({ deploy: job(lockStep(at, { run: command('api') })) }));
  await until(() => place.noted().length === 1, 'the first deploys');
  const waiting = place.run('acme/web', workflow({ deploy: job(lockStep(at, { supersede: 'default', run: command('web') })) }));
  await waiting.prints(/waiting for Lease/);
  const newest = place.run(
    'acme/app',
    workflow({ deploy: job(lockStep(at, { 'on-busy': 'replace', run: 'echo app >>"$NOTES"' })) }),
  );
  const [replaced, superseded, ran] = await Promise.all([first.finished, waiting.finished, newest.finished]);
  assert.deepEqual([replaced.code, replaced.results], [1, { deploy: 'failure' }], replaced.text);
  assert.match(replaced.text, /the command was stopped: replaced by gha\/acme%252Fapp\/4713\/1\/deploy\//);
  assert.deepEqual([superseded.code, superseded.results], [0, { deploy: 'success' }], superseded.text);
  assert.match(superseded.text, /superseded by gha\/acme%252Fapp\/4713/);
  assert.deepEqual([ran.code, place.noted()], [0, ['api runs', 'app']], ran.text);
  assert.equal(await at.holder(), '');
});

acted('the legs of a matrix take turns', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const leg = expression('matrix.leg');
  const steps = lockStep(at) + shell(`${note('start', leg)}; sleep 0.3; ${note('end', leg)}`);
  const run = place.run(
    'acme/api',
    workflow({ deploy: job(steps, '    strategy:\n      matrix:\n        leg: [one, two, three]\n') }),
  );
  const { code, text } = await run.finished;
  assert.equal(code, 0, text);
  const all = intervals(place.notes);
  assert.deepEqual(all.map(({ who }) => who).sort(), ['one', 'three', 'two']);
  assert.equal(overlap(all), undefined);
});

acted('a failed step fails the job, and the lock is given back', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const { code, results, text } = await place.run('acme/api', workflow({ deploy: job(lockStep(at) + shell('exit 3')) })).finished;
  assert.deepEqual([code, results], [1, { deploy: 'failure' }], text);
  assert.match(text, /released Lease/);
  assert.equal(await at.holder(), '');
});

acted('a skipped step takes no lock', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const steps = lockStep(at, {}, { if: 'false' }) + shell('echo ran >>"$NOTES"');
  const { results, text } = await place.run('acme/api', workflow({ deploy: job(steps) })).finished;
  assert.deepEqual(results, { deploy: 'success' }, text);
  assert.deepEqual(place.noted(), ['ran']);
  await assert.rejects(at.lease(), /404/);
});

acted('check goes on while the lock is held, and stops the job when it is not', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const check = lockStep(at, { mode: 'check' }, { id: 'check' });
  const wait = shell(`echo holding >>"$NOTES"; ${waitForGo}`);
  const run = place.run(
    'acme/api',
    workflow({
      deploy: job(
        lockStep(at) + check + wait + lockStep(at, { mode: 'check' }, { id: 'again' }) + shell('echo never >>"$NOTES"'),
      ),
    }),
  );
  await until(() => place.noted().length === 1, 'the first check has passed');
  await at.clear();
  writeFileSync(place.go, '');
  const { code, results, text } = await run.finished;
  assert.deepEqual([code, results], [1, { deploy: 'failure' }], text);
  assert.deepEqual(place.noted(), ['holding']);
  assert.match(text, /was lost at/);
});

acted('acquire in one job, release in another: held while jobs in between run', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const holder = `${expression('github.repository')}/${expression('github.run_id')}`;
  const acquire = lockStep(at, { mode: 'acquire', holder, 'lease-duration': '1h' });
  const middle = lockStep(at, { mode: 'check', holder }) + shell(`echo between >>"$NOTES"; ${waitForGo}`);
  const release = lockStep(at, { mode: 'release', holder });
  const run = place.run(
    'acme/api',
    workflow({
      acquire: job(acquire),
      build: job(middle, '    needs: acquire\n'),
      release: job(release, '    needs: build\n    if: always()\n'),
    }),
  );
  await until(() => place.noted().length === 1, 'the job in between');
  assert.equal(await at.holder(), 'acme/api/4711');
  writeFileSync(place.go, '');
  const { code, results, text } = await run.finished;
  assert.deepEqual([code, results], [0, { acquire: 'success', build: 'success', release: 'success' }], text);
  assert.equal(await at.holder(), '');
});

acted('on-busy skip: steps that need the lock ask for its output', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const cli = guarded(t, at, 'cat');
  await cli.says(/acquired/);
  const when = (condition: string, word: string) => shell(`echo ${word} >>"$NOTES"`, `        if: ${expression(condition)}\n`);
  const steps =
    lockStep(at, { 'on-busy': 'skip' }) +
    when("steps.lock.outputs.acquired == 'true'", 'deployed') +
    when("steps.lock.outputs.acquired != 'true'", 'skipped');
  const busy = await place.run('acme/api', workflow({ deploy: job(steps) })).finished;
  assert.deepEqual(busy.results, { deploy: 'success' }, busy.text);
  cli.input('');
  assert.equal((await cli.finished).code, 0, 'the holder was not disturbed');
  const free = await place.run('acme/api', workflow({ deploy: job(steps) })).finished;
  assert.deepEqual(free.results, { deploy: 'success' }, free.text);
  assert.deepEqual(place.noted(), ['skipped', 'deployed']);
});

acted('run: the command is the step', async (t) => {
  const at = await lab();
  const place = placeFor(t, act, at);
  const run = 'echo "$LEASE_LOCK_HOLDER" >>"$NOTES"';
  const fine = await place.run('acme/api', workflow({ deploy: job(lockStep(at, { run })) })).finished;
  assert.deepEqual(fine.results, { deploy: 'success' }, fine.text);
  assert.match(place.noted()[0] ?? '', /^gha\/acme%2Fapi\/4711\/1\/deploy\//);
  const failed = await place.run('acme/api', workflow({ deploy: job(lockStep(at, { run: 'exit 3' })) })).finished;
  assert.deepEqual(failed.results, { deploy: 'failure' }, failed.text);
  assert.equal(await at.holder(), '');
  assert.ok(existsSync(place.notes));
});
