/** The page in a browser, with the keyboard alone: what it shows, how it stays up to date, and what it changes. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Page } from 'playwright-core';
import { EXIT } from '../../image/exit-codes.ts';
import { root } from '../docs/documents.ts';
import { operatorsOn } from '../e2e/operate.ts';
import { killGuard } from '../harness/guards.ts';
import { embeddedTarget } from '../harness/targets.ts';
import { inBrowser, look, open } from './opened.ts';

const target = await embeddedTarget();
after(() => target.close());

/** Those that the documents have; all others are kept beside the build, to be looked at. */
const SHOWN = ['light', 'dark'];
function shoot(page: Page, name: string): Promise<unknown> {
  const folder = join(root, process.env.UPDATE_SCREENSHOTS && SHOWN.includes(name) ? 'docs/ui' : 'build/ui');
  mkdirSync(folder, { recursive: true });
  return page.screenshot({ path: join(folder, `${name}.png`) });
}

const row = (page: Page, name: string) => page.locator('#locks > li', { hasText: name });
const press = async (page: Page, ...keys: string[]) => {
  for (const key of keys) await page.keyboard.press(key);
};
/** What is done with the keys goes to where the focus is. */
const focused = (page: Page) => page.evaluate('document.activeElement.textContent') as Promise<string>;

inBrowser('locks are shown as they change, in light, dark and on a narrow screen', async (t, browser) => {
  const { namespace, holding, waiting } = operatorsOn({ ...target, namespace: async () => 'ci' });
  const about = ['--reason', 'release 1.2', '--url', 'https://ci.example.com/runs/7'];
  const { url } = await open(t, target, '-n', await namespace);
  const page = await look(browser, url);
  await page.locator('#none').waitFor();
  const deploy = await holding(t, 'deploy', '--holder', 'gha:acme/api', ...about);
  await row(page, 'deploy').locator('text=Alive').waitFor();
  await waiting(t, 'deploy', '--holder', 'gha:acme/web', '--reason', 'release 2.0');
  await waiting(t, 'deploy', '--holder', 'jenkins', '--reason', 'hotfix');
  await holding(t, 'import', '--permits', '3', '--holder', 'nightly-1');
  await holding(t, 'import', '--permits', '3', '--holder', 'nightly-2');
  const dead = await holding(t, 'migrate', '--holder', 'pod/migrate-7', '--lease-duration', '4s', '--kill-grace', '0.2s');
  killGuard(dead);
  await row(page, 'migrate').locator('text=/Expired|Silent/').waitFor();
  await row(page, 'import').locator('.holder', { hasText: 'nightly-' }).waitFor();
  assert.equal(await page.locator('#summary').textContent(), '3 locks, 3 held, 2 waiting');

  await press(page, 'ArrowDown', 'Enter');
  await row(page, 'deploy').locator('text=Holder gha:acme/api').waitFor();
  const text = await row(page, 'deploy').innerText();
  for (const part of ['release 1.2', 'https://ci.example.com/runs/7', 'release 2.0', 'hotfix'])
    assert.ok(text.includes(part), part);
  assert.equal(await page.locator('[data-act]').count(), 0, 'read-only');
  await shoot(page, 'light');
  for (const [name, options] of [
    ['dark', { colorScheme: 'dark' }],
    ['narrow', { width: 360 }],
  ] as const) {
    const other = await look(browser, url, options);
    await row(other, 'deploy').waitFor();
    await press(other, 'ArrowDown', 'Enter');
    await row(other, 'deploy').locator('text=Holder gha:acme/api').waitFor();
    const wide = await other.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');
    assert.equal(wide, false, `${name}: nothing is cut off at the right`);
    await shoot(other, name);
    await other.close();
  }

  deploy.input('\n');
  await row(page, 'deploy').locator('h3', { hasText: 'Holder' }).first().waitFor();
  await page.locator('#locks rect.past').first().waitFor({ state: 'attached' });
});

inBrowser('everything can be reached with the keyboard', async (t, browser) => {
  const { namespace, holding } = operatorsOn(target);
  for (const name of ['alpha', 'beta', 'gamma']) await holding(t, name);
  const { url } = await open(t, target, '-n', await namespace);
  const page = await look(browser, url);
  await row(page, 'gamma').waitFor();
  await press(page, 'ArrowDown', 'ArrowDown');
  assert.match(await focused(page), /beta/);
  await press(page, 'ArrowDown', 'ArrowDown', 'ArrowUp');
  assert.match(await focused(page), /beta/);
  await press(page, 'Enter');
  await row(page, 'beta').locator('h3').waitFor();
  await press(page, 'Escape');
  assert.equal(await row(page, 'beta').locator('h3').isVisible(), false);
  assert.match(await focused(page), /beta/);
  await press(page, '/');
  await page.keyboard.type('gam');
  await page.locator('#summary', { hasText: '1 lock, 1 held' }).waitFor();
  await press(page, 'Escape');
  await page.locator('#summary', { hasText: '3 locks' }).waitFor();
  await press(page, 'Tab');
  assert.match(await focused(page), /alpha/);
});

inBrowser(
  'with the token a holder is asked, a waiter is moved and removed; without it nothing is offered',
  async (t, browser) => {
    const { namespace, holding, waiting } = operatorsOn(target);
    const alice = await holding(t, 'deploy', '--holder', 'alice');
    await waiting(t, 'deploy', '--holder', 'bob');
    const carol = await waiting(t, 'deploy', '--holder', 'carol');
    const { url, origin } = await open(t, target, '-n', await namespace, '--write');
    const reader = await look(browser, origin);
    await row(reader, 'deploy').waitFor();
    assert.match((await reader.locator('#mode').textContent()) ?? '', /Read-only: to change locks, open the address/);

    const page = await look(browser, url);
    await row(page, 'deploy').waitFor();
    await press(page, 'ArrowDown', 'Enter');
    const queue = row(page, 'deploy').locator('tbody tr');
    await queue.nth(1).locator('[data-act^="up carol"]').focus();
    await press(page, 'Enter');
    await queue.nth(0).locator('text=carol').waitFor();
    await page.locator('#said', { hasText: 'moved carol' }).waitFor();
    await queue.nth(0).locator('[data-act^="remove"]').focus();
    await press(page, 'Enter');
    await page.keyboard.type('not needed');
    await shoot(page, 'ask');
    await press(page, 'Enter');
    assert.equal((await carol.finished).code, EXIT.stopped.code);
    assert.match(carol.stderr, /not needed/);
    await page.locator('#ask').waitFor({ state: 'hidden' });

    await row(page, 'deploy').locator('[data-act^="ask"]').focus();
    await press(page, 'Enter', 'Escape');
    await page.locator('#ask').waitFor({ state: 'hidden' });
    await row(page, 'deploy').locator('[data-act^="clear "]').focus();
    await press(page, 'Enter', 'Enter');
    await page.locator('#ask-answer', { hasText: 'so its command may be running' }).waitFor();
    await press(page, 'Escape');
    await row(page, 'deploy').locator('[data-act^="ask"]').focus();
    await press(page, 'Enter');
    await page.keyboard.type('rollback');
    await press(page, 'Enter');
    assert.equal((await alice.finished).code, EXIT.stopped.code);
    assert.match(alice.stderr, /rollback/);
  },
);

inBrowser('what others have written is text, and no link that would run something', async (t, browser) => {
  const { namespace, holding } = operatorsOn(target);
  const evil = '<img src=x onerror=alert(1)>';
  await holding(t, 'deploy', '--reason', evil, '--url', 'javascript:alert(1)');
  const { url } = await open(t, target, '-n', await namespace);
  const page = await look(browser, url);
  page.on('dialog', () => assert.fail('it ran'));
  await row(page, 'deploy').waitFor();
  await press(page, 'ArrowDown', 'Enter');
  await row(page, 'deploy').locator('dd', { hasText: evil }).waitFor();
  assert.equal(await page.locator('#locks a, #locks img').count(), 0);
});

inBrowser('what is not up to date says so, and goes on when it is', async (t, browser) => {
  const own = await embeddedTarget();
  const { namespace, holding } = operatorsOn(own);
  await holding(t, 'deploy');
  const { url, guard } = await open(t, own, '-n', await namespace);
  const page = await look(browser, url);
  await row(page, 'deploy').waitFor();
  await own.close();
  await page.locator('#connection.trouble', { hasText: /listing Leases in .*Nothing below is up to date/ }).waitFor();
  assert.match((await page.locator('#locks').getAttribute('class')) ?? '', /stale/);
  guard.kill('SIGTERM');
  assert.equal((await guard.finished).code, 0);
  await page.locator('#connection', { hasText: 'No connection to k8s-lease-lock ui' }).waitFor();
});
