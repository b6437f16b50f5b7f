// The harness itself: nothing that it starts outlives the tests, and a dead builder holds nobody up.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { withBuildLock } from '../cluster/build-lock.ts';
import { startChildServer } from './child-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'harness-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function until(what: string, holds: () => boolean): Promise<void> {
  const giveUp = Date.now() + 10_000;
  while (!holds()) {
    assert.ok(Date.now() < giveUp, `never: ${what}`);
    await pause(10);
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it('a server dies with the process that started it, even by SIGKILL, and takes its folder along', async () => {
  const own = join(folder, 'crash');
  mkdirSync(own);
  const options = JSON.stringify({ folder: own, logFile: join(own, 'log') });
  const code = `import { startChildServer } from ${JSON.stringify(new URL('./child-server.ts', import.meta.url).href)};
    const server = await startChildServer(['sleep', '1000'], ${options});
    process.stdout.write(String(server.pid) + '\\n');
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  assert.ok(exists(pid));
  parent.kill('SIGKILL');
  await until('the server is gone', () => !exists(pid));
  await until('its folder is gone', () => !existsSync(own));
});

it('a server that ends by itself says with what', async () => {
  const server = await startChildServer(['sh', '-c', 'echo last words; exit 7'], { folder, logFile: join(folder, 'seven.log') });
  assert.equal(await server.ended, 7);
  assert.equal(server.alive(), false);
  assert.match(server.logTail(), /last words/);
});

it('a frozen server can be killed', async () => {
  const server = await startChildServer(['sleep', '1000'], { folder, logFile: join(folder, 'frozen.log') });
  server.signal('SIGSTOP');
  await server.kill();
  assert.equal(exists(server.pid), false);
});

it('builders take turns, and the lock of a dead one is taken over', async () => {
  const lock = join(folder, 'build.lock');
  mkdirSync(lock);
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(lock, longAgo, longAgo);
  let building = 0;
  const build = () =>
    withBuildLock(lock, async () => {
      assert.equal(++building, 1);
      await pause(20);
      building--;
    });
  await Promise.all([build(), build()]);
  assert.equal(existsSync(lock), false);
});
