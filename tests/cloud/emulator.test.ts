/** The parts of the other suites in containers: the emulator keeps what it is given, and a line can be spoiled and mended. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { engineOrSkip, type Engine } from '../helpers/containers/engine.ts';
import { startFakeGcs, type FakeGcs } from '../helpers/containers/fake-gcs.ts';
import { startNetwork } from '../helpers/containers/network.ts';
import { startToxiproxy, type Line } from '../helpers/containers/toxiproxy.ts';

const engine = engineOrSkip();

describe.skipIf(engine === undefined)('the emulator behind a proxy', () => {
  const stack = new AsyncDisposableStack();
  let gcs: FakeGcs;
  let line: Line;

  beforeAll(async () => {
    const network = stack.use(await startNetwork(engine as Engine));
    gcs = stack.use(await startFakeGcs(engine as Engine, { network }));
    const proxy = stack.use(await startToxiproxy(engine as Engine, network));
    line = await proxy.layLine('gcs', gcs.innerAddress);
    await gcs.createBucket('skein-test');
  });
  afterAll(() => stack.disposeAsync());

  const ask = (ms: number) => fetch(`${line.url}/storage/v1/b/skein-test`, { signal: AbortSignal.timeout(ms) });

  test('answers through an open line', async () => {
    expect(await (await ask(2_000)).json()).toMatchObject({ name: 'skein-test' });
  });

  test('hangs while the line is a black hole, refuses while it is cut, and answers when it is mended', async () => {
    await line.spoil({ type: 'timeout', attributes: { timeout: 0 } });
    await expect(ask(300)).rejects.toMatchObject({ name: 'TimeoutError' });
    await line.mend();
    await line.cut();
    await expect(ask(2_000)).rejects.toThrow('fetch failed');
    await line.mend();
    expect((await ask(2_000)).status).toBe(200);
  });
});
