import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from 'vitest';

import { knowSecrets } from '../../../src/kernel/mask.ts';
import { Secrets } from '../../../src/kernel/secrets.ts';
import { LogSlice } from '../../../src/node/log-slice.ts';
import { PartialLog } from '../../../src/node/partial-log.ts';
import { logName, partialLogName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const NAME = partialLogName('r1', 'beehives_1', 2);
let path: string;
let store: ObjectStore;
beforeEach(async () => {
  path = join(await temporaryFolder(), 'actor.log');
  store = createMemoryStore();
});

const stored = async (name = NAME): Promise<string | undefined> => (await store.read(name))?.bytes.toString();
function begin(limits?: ConstructorParameters<typeof LogSlice>[1]): { slice: LogSlice; partial: PartialLog } {
  const slice = new LogSlice(path, limits);
  return { slice, partial: new PartialLog({ store, runId: 'r1', instanceId: 'beehives_1', attempt: 2, slice }) };
}

describe('the log of a running task', () => {
  it('is in the store as it grows, without what was printed before, and is not sent again when it did not', async () => {
    appendFileSync(path, 'of the task before\n');
    const { partial } = begin();
    await partial.pass();
    expect(await stored()).toBeUndefined();
    appendFileSync(path, 'one\n');
    await partial.pass();
    const first = await store.stat(NAME);
    await partial.pass();
    expect(await store.stat(NAME)).toEqual(first);
    appendFileSync(path, 'two\n');
    await partial.pass();
    expect(await stored()).toBe('one\ntwo\n');
  });

  it('shows no secret that this process knows, nor a line that is still being written', async () => {
    using _known = knowSecrets(new Secrets({ MODEL_KEY: 'canary-0123456789' }));
    const { partial } = begin();
    appendFileSync(path, 'with canary-0123456789\nand cana');
    await partial.pass();
    expect(await stored()).toBe('with [secret MODEL_KEY]\n');
    appendFileSync(path, 'ry-0123456789 again\n');
    await partial.pass();
    expect(await stored()).toBe('with [secret MODEL_KEY]\nand [secret MODEL_KEY] again\n');
  });

  it('goes on where it was cut back meanwhile', async () => {
    const { slice, partial } = begin({ headBytes: 100, tailBytes: 100, slackBytes: 100 });
    appendFileSync(path, 'x\n'.repeat(400));
    slice.trim();
    await partial.pass();
    expect(await stored()).toMatch(/^(x\n)+\[skein: \d+ bytes of this log are left out here\]\n(x\n)+$/);
    appendFileSync(path, 'the end\n');
    await partial.pass();
    expect(await stored()).toMatch(/the end\n$/);
  });

  it('goes when the whole one is stored, and stays where that failed', async () => {
    appendFileSync(path, '');
    const { slice, partial } = begin();
    appendFileSync(path, 'one\n');
    await partial.pass();
    slice.read();
    await partial.finish();
    expect(await stored()).toBe('one\n');
    await store.create(logName('r1', 'beehives_1', 2), Buffer.from('one\n'));
    await partial.finish();
    expect(await stored()).toBeUndefined();
    // The task has ended: a pass that was on its way brings nothing back.
    appendFileSync(path, 'of the task after\n');
    await partial.pass();
    expect(await stored()).toBeUndefined();
  });

  it('that another life of the attempt left is written over', async () => {
    await store.create(NAME, Buffer.from('of another life\n'));
    const { partial } = begin();
    appendFileSync(path, 'of this one\n');
    await partial.pass();
    expect(await stored()).toBe('of this one\n');
  });
});
