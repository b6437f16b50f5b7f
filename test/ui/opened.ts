/** `ui` of the build, for an API server, and Chromium of Debian that looks at it. */
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type Guard, guard, reach, tempFolder } from '../harness/guards.ts';
import type { ApiTarget } from '../harness/targets.ts';

export interface Opened {
  guard: Guard;
  /** With the token, where there is one. */
  url: string;
  /** Without it. */
  origin: string;
}

export async function open(t: TestContext, target: ApiTarget, ...options: string[]): Promise<Opened> {
  const ui = guard(t, ['ui', ...reach(target), ...options]);
  await ui.prints(/^http\S+\n/);
  const url = ui.stdout.trim();
  return { guard: ui, url, origin: new URL(url).origin };
}

const CHROMIUM = '/usr/bin/chromium';
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];

/** A test that needs a browser: with CI=true its absence is a failure. */
export function inBrowser(name: string, run: (t: TestContext, browser: Browser) => Promise<void>): void {
  const skip = existsSync(CHROMIUM) || process.env.CI ? false : `there is no ${CHROMIUM}`;
  test(name, { skip }, async (t) => {
    const args = [...ARGS, '--disable-component-update', '--disable-sync'];
    const env = { ...process.env, HOME: tempFolder(t) } as Record<string, string>;
    const browser = await chromium.launch({ executablePath: CHROMIUM, args, env });
    try {
      await run(t, browser);
    } finally {
      await browser.close();
    }
  });
}

export interface Look {
  colorScheme?: 'light' | 'dark';
  width?: number;
}

/** A page that has heard of the locks; whatever goes wrong on it fails the test. */
export async function look(browser: Browser, url: string, { colorScheme = 'light', width = 1100 }: Look = {}): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 760 }, colorScheme });
  page.on('pageerror', (error) => {
    throw error;
  });
  await page.goto(url);
  await page.locator('#connection', { hasText: 'Live' }).waitFor();
  return page;
}
