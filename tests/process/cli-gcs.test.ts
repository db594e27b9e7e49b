/** The whole job on `gs://`, with Google's client in the command's own process and a bucket that has a bad day. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { EXAMPLE, runCli, type CliEnd } from '../helpers/cli.ts';
import { GcsServer } from '../helpers/gcs-server/server.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const SUBMIT = ['submit', '--dataset', EXAMPLE, '--all', '--store', 'gs://bucket/team', '--run-id', 'r1', '--json'];

describe('a run on gs://', () => {
  let server: GcsServer;
  let cwd: string;
  const skein = (args: readonly string[]): Promise<CliEnd> =>
    runCli(args, { cwd, env: { SKEIN_GCS_ENDPOINT: server.url } });

  beforeEach(async () => {
    server = await GcsServer.start({ buckets: ['bucket'] });
    cwd = await temporaryFolder();
  });
  afterEach(() => server[Symbol.asyncDispose]());

  it('is done, whole and stored once, whatever befalls one call of ten (V-07)', async () => {
    for (let turn = 0; turn < 12; turn += 1) {
      const skip = 7 + turn * 9;
      server.faults.add({ on: 'create', name: /runs\/r1/, skip, count: 1, fault: { kind: 'lose-answer' } });
      server.faults.add({ on: 'create', name: /runs\/r1/, skip, count: 1, fault: { kind: 'status', status: 503 } });
      server.faults.add({ on: 'read', name: /runs\/r1/, skip, count: 1, fault: { kind: 'truncate', silently: true } });
    }
    const end = await skein(SUBMIT);
    expect(end.stderr).not.toContain('Error');
    expect(end.code).toBe(0);
    expect(JSON.parse(end.stdout)).toMatchObject({
      counts: { expected: 22, done: 22, errors: 0, missing: 0 },
      paths: { store: 'gs://bucket/team' },
    });
    expect(server.faults.fired.length).toBeGreaterThan(20);

    const bucket = server.bucket('bucket');
    const names = bucket.all().map(({ name }) => name);
    expect(names.filter((name) => /^team\/runs\/r1\/rows\/[^/]+\/attempt-1\.json$/.test(name))).toHaveLength(22);
    expect(names.filter((name) => !name.startsWith('team/runs/r1/'))).toEqual([]);
    expect(names.filter((name) => /\.(?:late|dup-\d+)\.json$/.test(name))).toEqual([]);
    expect(bucket.resource['lifecycle']).toEqual({
      rule: [{ action: { type: 'Delete' }, condition: { age: 30, matchesPrefix: ['team/runs/'] } }],
    });

    const mirrored = await readdir(join(cwd, 'skein-data', 'out', 'r1'), { recursive: true, withFileTypes: true });
    expect(mirrored.filter((entry) => entry.isFile())).toHaveLength(names.length);
    const again = await skein(['list', '--store', 'gs://bucket/team', '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ runs: [{ run_id: 'r1' }] });
  }, 120_000);

  it('in a bucket that is not there is refused in one line, with the command that makes it', async () => {
    server.buckets.clear();
    const end = await skein(SUBMIT.filter((word) => word !== '--json'));
    expect(end.code).toBe(2);
    expect(end.stderr).toMatch(
      /^skein: --store: .*gs:\/\/bucket\/team: The specified bucket does not exist\. Make it: .*\n$/,
    );
    expect(await readdir(cwd)).toEqual([]);
  });
});
