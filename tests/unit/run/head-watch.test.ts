import { expect, it } from 'vitest';

import { jsonBytes } from '../../../src/kernel/json.ts';
import { HeadWatch } from '../../../src/run/head-watch.ts';
import { ownProcess } from '../../../src/run/process-identity.ts';
import { overwrite } from '../../../src/store/create-or-confirm.ts';
import { HEAD_LEASE_NAME, runLeaseName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';

const NOW = 1_700_000_000_000;

class Scene {
  readonly store = createMemoryStore();
  nowMs = NOW;
  readonly watch = new HeadWatch(this.store, 'r1', { now: () => this.nowMs });

  lease(name: string, fields: object): Promise<unknown> {
    const document = { epoch: 1, head_id: 'h', boot_id: 'b', renewed_at_ms: this.nowMs, process: '', ...fields };
    return overwrite(this.store, name, jsonBytes(document));
  }

  async looks(...seconds: number[]): Promise<string[]> {
    const seen: string[] = [];
    for (const second of seconds) {
      this.nowMs = NOW + second * 1000;
      seen.push(await this.watch.look());
    }
    return seen;
  }
}

it('nobody knows of a run that nobody ever worked on', async () => {
  expect(await new Scene().looks(0, 100)).toEqual(['unknown', 'unknown']);
});

it('the head of a command is gone when it said so, or stops renewing its lease (L-05)', async () => {
  const scene = new Scene();
  await scene.lease(runLeaseName('r1'), { kind: 'embedded' });
  expect(await scene.looks(0, 10, 20)).toEqual(['alive', 'alive', 'gone']);
  await scene.lease(runLeaseName('r1'), { kind: 'embedded', released: true });
  expect(await scene.looks(21)).toEqual(['gone']);
});

it('a head daemon that is away may come back; one that renews lives, a year off or not (L-05)', async () => {
  const scene = new Scene();
  await scene.lease(runLeaseName('r1'), { kind: 'daemon', renewed_at_ms: NOW - 1e6 });
  expect(await scene.looks(0)).toEqual(['away']);
  await scene.lease(HEAD_LEASE_NAME, { kind: 'daemon' });
  expect(await scene.looks(1, 20, 30)).toEqual(['alive', 'away', 'away']);
  const off = { kind: 'daemon', renewed_at_ms: NOW - 31_536_000_000 };
  await scene.lease(HEAD_LEASE_NAME, off);
  expect(await scene.looks(40, 50)).toEqual(['alive', 'alive']);
  await scene.lease(HEAD_LEASE_NAME, { ...off, renewed_at_ms: 1 });
  expect(await scene.looks(60, 76)).toEqual(['alive', 'away']);
  await scene.lease(HEAD_LEASE_NAME, { kind: 'daemon', head_id: 'another' });
  expect(await scene.looks(80)).toEqual(['away']);
});

it('a dead process of this machine needs no waiting', async () => {
  const scene = new Scene();
  const dead = ownProcess().replace(/\d+(?=\D*$)/, (last) => String(Number(last) + 1));
  await scene.lease(runLeaseName('r1'), { kind: 'embedded', process: dead });
  expect(await scene.looks(0)).toEqual(['gone']);
});
