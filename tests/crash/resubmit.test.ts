/** A head daemon that dies by SIGKILL in the midst of a resubmitted run; its next life ends the run as it should. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, it } from 'vitest';

import { beginResubmit } from '../../src/run/resubmit.ts';
import { readCounts } from '../../src/run/run-counts.ts';
import { makeStatus, readStatus, writeStatus } from '../../src/run/status.ts';
import { rowName } from '../../src/store/layout.ts';
import { openStore } from '../../src/store/open.ts';
import { KeptHead } from '../helpers/kept-head.ts';
import { manifestOf, putRun, row } from '../helpers/rows.ts';
import { ScriptedNode } from '../helpers/scripted-node.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MANIFEST = manifestOf(['a_1', 'a_2', 'a_3'], { framework: 'noop', query_mode: 'raw' });
const POINTS = [
  'head.run-leased',
  'head.before-beat',
  'head.before-beat:2',
  'status.before-terminal',
  'head.after-terminal',
];

describe('a resubmitted run whose head is killed', () => {
  it.concurrent.for(POINTS)(
    'at %s runs its ids as that attempt, once each, and ends by their rows (L-12, V-14, X-05)',
    async (point, { expect: its }) => {
      const dir = await mkdtemp(join(tmpdir(), 'skein-head-'));
      try {
        await using store = await openStore(`file://${dir}`);
        await putRun(store, MANIFEST, [row('a_1'), row('a_2', { error: 'quota' })]);
        await writeStatus(store, 'r1', makeStatus({ terminal_state: 'done', rows_done: 3, last_heartbeat_ts: 1 }));
        const begun = await beginResubmit({ store, manifest: MANIFEST, reason: 'quota', by: 'me' });
        its(begun).toMatchObject({ attempt: 2, ids: ['a_2', 'a_3'] });

        await using heads = new KeptHead(dir);
        await heads.keep(point);
        const port = (): number => heads.port;
        await using node = await ScriptedNode.join({ port, store, name: 'n1', patienceMs: 30_000 });
        await heads.ask((client) => client.startRun('r1'));
        await node.has('a_2', 'a_3');
        its(await readStatus(store, 'r1')).toMatchObject({ terminal_state: null, attempt: 2 });
        if (point === 'head.before-beat:2') await waitUntil('it died at a beat', () => heads.deaths === 1, 30_000);
        for (const id of ['a_2', 'a_3']) await node.ends(id);
        const isDone = async (): Promise<boolean> => (await readStatus(store, 'r1'))?.terminal_state === 'done';
        await waitUntil('it is done', isDone, 30_000);
        if (point === 'head.after-terminal') await waitUntil('it died after that', () => heads.deaths === 1);

        its(heads.deaths, `${point} was reached`).toBe(1);
        its(await readStatus(store, 'r1')).toMatchObject({ attempt: 2, rows_done: 3, rows_ok: 3 });
        its(await readCounts(store, MANIFEST)).toMatchObject({ ok: 3, errors: 0, missing: 0 });
        its(node.batches.flatMap(({ tasks }) => tasks.map(({ attempt }) => attempt))).toEqual([2, 2]);
        its(await store.stat(rowName('r1', 'a_1', 2))).toBeUndefined();
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    },
  );
});
