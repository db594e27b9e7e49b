import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import * as ray from '../../src/ray/index.ts';
import { Printer } from '../fixtures/actors/printer.ts';
import { fixture, rejection, useRay } from '../helpers/ray-session.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const PrinterActor = ray.remote(Printer, { module: fixture('printer') });

const lines = async (path: string): Promise<string[]> => (await readFile(path, 'utf8')).trimEnd().split('\n');

describe('what an actor prints', () => {
  useRay();

  test('console and the streams go to a file of its own, in order (W-12, V-25)', async () => {
    const [a, b] = [PrinterActor.remote(), PrinterActor.remote()];
    await ray.get([a.print.remote('a'), b.print.remote('b'), a.print.remote('again')]);
    const printed = (word: string) => ['log', 'error', 'stdout', 'stderr'].map((way) => `${word} ${way}`);
    expect(await lines(a.$logPath!)).toEqual([...printed('a'), ...printed('again')]);
    expect(await lines(b.$logPath!)).toEqual(printed('b'));
  });

  test('child processes that inherit the streams write to the same file, by whichever door they were started (W-12, Q-39)', async () => {
    const actor = PrinterActor.remote();
    await ray.get(actor.printFromChildren.remote('x'));
    const ways = ['spawn', 'spawn fds', 'exec', 'spawnSync', 'execFileSync', 'execSync', 'sh', 'fork'];
    expect(await lines(actor.$logPath!)).toEqual(ways.map((way) => `x ${way}`));
  });

  test('a task prints to a file of its own while it runs, its children too (W-12, Q-39)', async () => {
    const path = join(await temporaryFolder(), 'deep', 'task.log');
    const actor = PrinterActor.remote();
    await ray.get([actor.print.remote('before'), actor.printTo.remote(path, 'task'), actor.print.remote('after')]);
    expect(await lines(path)).toEqual(['task log', 'task error', 'task stdout', 'task stderr', 'task child']);
    expect(await lines(actor.$logPath!)).not.toContain('task log');
    expect((await lines(actor.$logPath!)).at(-1)).toBe('after stderr');
  });

  test('the last lines of a death come from where the actor printed last (W-12)', async () => {
    const path = join(await temporaryFolder(), 'task.log');
    const actor = PrinterActor.remote();
    const error = await rejection(ray.get(actor.dieWhilePrintingTo.remote(path)));
    expect(error).toMatchObject({ reason: 'CRASH', exitCode: 7, lastLines: ['last words'] });
  });
});
