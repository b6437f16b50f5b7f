/** The command line: options, their values, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunSettings, readRunCommandLine } from '../../image/commands/run.ts';

async function settings(argv: string[], env = {}): Promise<RunSettings> {
  const line = readRunCommandLine(argv, env);
  if (line.kind !== 'settings') throw new Error(JSON.stringify(line));
  return line.settings;
}

async function complaint(argv: string[], env = {}): Promise<string> {
  const line = readRunCommandLine(argv, env);
  return 'message' in line ? `${line.kind}: ${line.message}` : line.kind;
}

test('reading stops at -- and at the first operand', async () => {
  assert.deepEqual((await settings(['--name', 'x', '--', 'cmd', '--name', 'y', '--', ''])).argv, [
    'cmd',
    '--name',
    'y',
    '--',
    '',
  ]);
  assert.deepEqual((await settings(['--name', 'x', 'cmd', '-q', '--unknown'])).argv, ['cmd', '-q', '--unknown']);
  assert.deepEqual((await settings(['--name=x', '--', '--weird'])).argv, ['--weird']);
  assert.equal((await settings(['--name', 'x', '--priority', '-5', 'cmd'])).priority, -5);
  assert.deepEqual((await settings(['--name', 'x', '007', '1e3', '-1'])).argv, ['007', '1e3', '-1']);
});

test('an option that may have no value does not take the command for it', async () => {
  const read = await settings(['--name', 'x', '--supersede', '--', 'cmd', '--supersede']);
  assert.deepEqual([read.policies?.group, read.argv], ['default', ['cmd', '--supersede']]);
  assert.equal((await settings(['--name', 'x', '--supersede=web', 'cmd'])).policies?.group, 'web');
  assert.equal((await settings(['--name', 'x', '--on-busy', 'replace', 'cmd'])).policies?.group, 'default');
  assert.equal((await settings(['--name', 'x', 'cmd'])).policies?.group, undefined);
});

test('several locks: with commas, or again, each with a namespace of its own; a slug is made of each whole text', async () => {
  const locks = async (...argv: string[]) =>
    (await settings([...argv, 'cmd'])).locks.map(({ namespace, name }) => [namespace, name]);
  assert.deepEqual(await locks('--name', 'x'), [[undefined, 'x']]);
  assert.deepEqual(await locks('--name', 'x, team/y', '--name', 'z'), [
    [undefined, 'x'],
    ['team', 'y'],
    [undefined, 'z'],
  ]);
  const [[, slugged] = [], ...others] = await locks('--slug', '--name', 'acme/web, 2');
  assert.match(slugged ?? '', /^acme-web-2-[0-9a-f]{10}$/);
  assert.deepEqual(others, []);
});

test('defaults', async () => {
  const { timings, ...rest } = await settings(['--name', 'x', 'cmd']);
  assert.equal(timings.durationMs, 60_000);
  assert.equal(timings.killGraceMs, 10_000);
  assert.deepEqual(
    [rest.timeoutMs, rest.onBusy, rest.priority, rest.conflictExitCode, rest.createIfAbsent, rest.legacyExpiry],
    [undefined, 'wait', 0, 75, true, false],
  );
  assert.deepEqual([rest.logFormat, rest.level, rest.namespace], ['text', 'info', undefined]);
});

test('every option can be given by its variable, and the line has the last word', async () => {
  const env = {
    K8S_LEASE_LOCK_NAME: 'from-env',
    K8S_LEASE_LOCK_TIMEOUT: '5m',
    K8S_LEASE_LOCK_NO_CREATE: 'true',
    K8S_LEASE_LOCK_CONFLICT_EXIT_CODE: '3',
    K8S_LEASE_LOCK_PORT: 'tcp://10.0.0.1',
  };
  const read = await settings(['--timeout', '1m', 'cmd'], env);
  assert.deepEqual([read.name, read.timeoutMs, read.createIfAbsent, read.conflictExitCode], ['from-env', 60_000, false, 3]);
  assert.equal(
    (await settings(['--name', 'x', 'cmd'], { K8S_LEASE_LOCK_NAMESPACE: '' })).namespace,
    undefined,
    'an empty variable counts as not set',
  );
});

test('every complaint names what is wrong and how it is put right', async () => {
  const cases: [string[], RegExp][] = [
    [['cmd'], /usage: --name is required/],
    [['--name', 'x'], /usage: no command given/],
    [['--name', 'x', '--', ''], /usage: the command is an empty string/],
    [['--name', '', 'cmd'], /usage: --name is empty/],
    [['--name', 'Deploy', 'cmd'], /usage: invalid name "Deploy" for a Lease/],
    [['--name', 'x'.repeat(254), 'cmd'], /at most 253/],
    [['--name', 'x', '--timeout', '1m', '--timeout', '2m', 'cmd'], /usage: --timeout is given 2 times/],
    [['--name', 'x,', '--name', 'team/Y', 'cmd'], /usage: invalid name "Y" for a Lease/],
    [['--name', 'x,Team/y', 'cmd'], /usage: invalid namespace "Team"/],
    [['--name', 'x', '-n', 'a.b', 'cmd'], /usage: invalid namespace "a\.b"/],
    [['--name', 'x', '--timeout', '90', 'cmd'], /usage: --timeout: "90" has no unit: write 90s/],
    [['--name', 'x', '--timeout'], /usage: --timeout needs a value: --timeout DURATION/],
    [['--name', 'x', '--on-busy', 'panic', 'cmd'], /usage: invalid value "panic" for --on-busy: use one of wait, fail, skip/],
    [['--name', 'x', '--priority', '1.5', 'cmd'], /usage: invalid value "1\.5" for --priority: use a whole number/],
    [
      ['--name', 'x', '-E', '256', 'cmd'],
      /usage: invalid value "256" for --conflict-exit-code: use a whole number from 0 to 255/,
    ],
    [['--name', 'x', '--holder', 'a b', 'cmd'], /usage: invalid holder "a b"/],
    [['--name', 'x', '-q', '-v', 'cmd'], /usage: --quiet and --verbose cannot be combined/],
    [['--name', 'x', '--bogus', 'cmd'], /usage: unknown option --bogus/],
    [['--name', 'x', '-z', 'cmd'], /usage: unknown option -z/],
    [['--name', 'x', '--quiet=maybe', 'cmd'], /usage: invalid value "maybe" for --quiet/],
    [['--name', 'x', '--timeout', '--', 'cmd'], /usage: --timeout: "--" is not a duration/],
    [['--name', 'x', '--lease-duration', '20s', 'cmd'], /configuration: a lease duration of 20s is too short/],
  ];
  for (const [argv, expected] of cases) assert.match(await complaint(argv), expected, argv.join(' '));
  assert.match(
    await complaint(['--name', 'x', 'cmd'], { K8S_LEASE_LOCK_TIMEOUT: '90' }),
    /usage: K8S_LEASE_LOCK_TIMEOUT: "90" has no unit/,
  );
  assert.match(
    await complaint(['--name', 'x', 'cmd'], { K8S_LEASE_LOCK_NO_CREATE: 'yes' }),
    /invalid value "yes" for K8S_LEASE_LOCK_NO_CREATE: use true or false/,
  );
});

test('help tells every option', async () => {
  const line = readRunCommandLine(['--help'], {});
  assert.equal(line.kind, 'help');
  for (const option of ['--name', '--on-busy', 'K8S_LEASE_LOCK_LEASE_DURATION', '-E'])
    assert.ok(line.kind === 'help' && line.text.includes(option), option);
});
