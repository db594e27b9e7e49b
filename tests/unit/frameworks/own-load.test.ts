import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { OwnModule } from '../../../src/frameworks/framework.ts';
import type { AgentSettings } from '../../../src/frameworks/own/interface.ts';
import { loadOwnFramework } from '../../../src/frameworks/own/load-module.ts';
import { sha256 } from '../../../src/kernel/digest.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const SETTINGS = { framework: 'mine', options: { a: 1 } } as unknown as AgentSettings;

async function moduleOf(text: string, digest = sha256(text)): Promise<OwnModule> {
  const modulePath = join(await temporaryFolder(), 'm.mjs');
  await writeFile(modulePath, text);
  return { modulePath, digest, file: 'mine.ts', options: {} };
}

describe('a module of the user’s', () => {
  it('makes a framework by its class or its function, which are given the settings', async () => {
    for (const text of [
      'export default class { constructor(s) { this.s = s; } runTask() { return this.s.options.a; } }',
      'export default async (s) => ({ runTask: () => s.options.a });',
    ]) {
      const made = await loadOwnFramework(await moduleOf(text), SETTINGS);
      expect((made.runTask as () => unknown)()).toBe(1);
    }
  });

  it('is not run when its bytes are not those of its digest', async () => {
    const ran = globalThis as { hasRun?: boolean };
    const module = await moduleOf(
      'globalThis.hasRun = true; export default () => ({ runTask() {} });',
      sha256('other'),
    );
    await expect(loadOwnFramework(module, SETTINGS)).rejects.toThrow(
      expect.objectContaining({ code: 'CORRUPT', message: expect.stringContaining('so it is not run') }),
    );
    expect(ran.hasRun).toBeUndefined();
  });

  it.each([
    ['export default 3;', /mine\.ts: its default export is neither a class nor a function/],
    ['export default () => ({});', /mine\.ts: what its default export makes has no runTask/],
    ['export default () => undefined;', /has no runTask/],
    ['throw new Error("no luck");', /mine\.ts: loading it threw: no luck/],
    [
      'export default class { constructor() { throw new TypeError("no"); } runTask() {} }',
      /mine\.ts: its constructor threw: TypeError: no/,
    ],
    ['export default () => { throw "bare"; };', /mine\.ts: its default export threw: bare/],
  ])('says what is wrong with %j', async (text, error) => {
    await expect(loadOwnFramework(await moduleOf(text), SETTINGS)).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(error) }),
    );
  });
});
