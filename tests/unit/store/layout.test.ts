import { describe, expect, test } from 'vitest';

import {
  buildLockName,
  compareRowNames,
  duplicateRowName,
  lateRowName,
  logName,
  manifestName,
  nameBelow,
  parseLogName,
  parseRowName,
  parseShardName,
  rowName,
  runIdOf,
  sessionPrefix,
  setupDatabasePrefix,
  setupSessionsPrefix,
  shardDatabasePrefix,
  shardId,
  statusName,
} from '../../../src/store/layout.ts';

describe('object names of a run', () => {
  test('are those of the layout, letter for letter (B-01, N-11)', () => {
    expect(manifestName('r-1')).toBe('runs/r-1/manifest.json');
    expect(statusName('r-1')).toBe('runs/r-1/status.json');
    expect(rowName('r-1', 'db_1', 3)).toBe('runs/r-1/rows/db_1/attempt-3.json');
    expect(lateRowName('r-1', 'db_1', 3)).toBe('runs/r-1/rows/db_1/attempt-3.late.json');
    expect(duplicateRowName('r-1', 'db_1', 3, 2)).toBe('runs/r-1/rows/db_1/attempt-3.dup-2.json');
    expect(logName('r-1', 'db_1', 3)).toBe('runs/r-1/logs/db_1/attempt-3.log');
    expect(setupDatabasePrefix('r-1', 'slayer_otf_cache', 'db')).toBe('runs/r-1/slayer_setup/slayer_otf_cache/db/');
    expect(sessionPrefix('r-1', 'db_1', 3)).toBe('runs/r-1/sessions/db_1/attempt-3/');
    expect(setupSessionsPrefix('r-1', 'db')).toBe('runs/r-1/sessions/_setup_sessions/db/');
    expect(shardDatabasePrefix('r-1', 'host-7-a0', 'db')).toBe('runs/r-1/post_run/slayer_models_otf/host-7-a0/db/');
    expect(buildLockName('db')).toBe('db.build.lock');
  });

  test.each(['', '..', 'a/b', '.a', '_a', 'a b', 'a\n', 'x'.repeat(129)])('refuse the id %j (P-44)', (id) => {
    for (const build of [
      () => rowName('r-1', id, 1),
      () => logName('r-1', id, 1),
      () => sessionPrefix('r-1', id, 1),
      () => setupSessionsPrefix('r-1', id),
      () => shardDatabasePrefix('r-1', 'shard', id),
      () => shardDatabasePrefix('r-1', id, 'db'),
      () => buildLockName(id),
    ]) {
      expect(build).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
    }
  });

  test.each(['', 'R1', '../r', 'a/b', '-a', 'a_b', 'x'.repeat(64)])('refuse the run id %j (L-14, P-23)', (id) => {
    expect(() => manifestName(id)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  test.each([0, -1, 1.5, Number.NaN, Infinity])('refuse the attempt %d', (attempt) => {
    expect(() => rowName('r', 'i', attempt)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  test('below a prefix are checked as a whole', () => {
    expect(nameBelow('runs/r/x/', 'a/b')).toBe('runs/r/x/a/b');
    expect(() => nameBelow('runs/r/x/', '../b')).toThrow('refused');
  });
});

describe('row names', () => {
  test('are read back as they were built', () => {
    const at = { runId: 'r-1', instanceId: 'db_1.x', attempt: 12 };
    expect(parseRowName(rowName('r-1', 'db_1.x', 12))).toEqual({ ...at, kind: 'row' });
    expect(parseRowName(lateRowName('r-1', 'db_1.x', 12))).toEqual({ ...at, kind: 'late' });
    expect(parseRowName(duplicateRowName('r-1', 'db_1.x', 12, 3))).toEqual({ ...at, kind: 'duplicate', duplicate: 3 });
  });

  test.each([
    'attempt-01.json',
    'attempt-0.json',
    'attempt-1e3.json',
    'attempt--1.json',
    'attempt-+1.json',
    'attempt- 1.json',
    'attempt-1.0.json',
    'attempt-.json',
    'attempt-9999999999999999999.json',
    'attempt-1.json.bak',
    'attempt-1.json/',
    'attempt-1.json\n',
    'attempt-1.Late.json',
    'attempt-1.dup-0.json',
    'attempt-1.dup.json',
    'attempt-1.late.dup-1.json',
    'notes.txt',
    '.attempt-1.json.tmp-1',
  ])('%j is no row', (file) => {
    expect(parseRowName(`runs/r-1/rows/i1/${file}`)).toBeUndefined();
  });

  test.each([
    'rows/i1/attempt-1.json',
    'runs/R/rows/i/attempt-1.json',
    'runs/r/rows/../attempt-1.json',
    'runs/r/rows/a/b/attempt-1.json',
    'x/runs/r/rows/i/attempt-1.json',
  ])('%j is in no run', (name) => expect(parseRowName(name)).toBeUndefined());

  test('come in the order of their attempts as numbers (B-02)', () => {
    const names = [
      rowName('r', 'b', 1),
      rowName('r', 'a', 10),
      duplicateRowName('r', 'a', 9, 2),
      duplicateRowName('r', 'a', 9, 1),
      lateRowName('r', 'a', 9),
      rowName('r', 'a', 9),
    ];
    const rows = names.flatMap((name) => parseRowName(name) ?? []).toSorted(compareRowNames);
    expect(rows.map(({ instanceId, attempt, kind }) => `${instanceId} ${attempt} ${kind}`)).toEqual([
      'a 9 row',
      'a 9 late',
      'a 9 duplicate',
      'a 9 duplicate',
      'a 10 row',
      'b 1 row',
    ]);
  });
});

test('logs, shards and runs are read back from names, and only from theirs', () => {
  expect(parseLogName(logName('r', 'i', 2))).toEqual({ runId: 'r', instanceId: 'i', attempt: 2 });
  expect(parseLogName(rowName('r', 'i', 2))).toBeUndefined();
  expect(parseShardName(`${shardDatabasePrefix('r', 's-1', 'db')}models/db/t.yaml`)).toEqual({
    runId: 'r',
    shard: 's-1',
    database: 'db',
    path: 'models/db/t.yaml',
  });
  expect(parseShardName(shardDatabasePrefix('r', 's-1', 'db'))).toBeUndefined();
  expect(parseShardName('runs/r/post_run/slayer_models_otf/.tmp/db/x')).toBeUndefined();
  expect(runIdOf('runs/r-1/')).toBe('r-1');
  expect(runIdOf('runs/r-1/rows/i/attempt-1.json')).toBe('r-1');
  expect(runIdOf('runs/Bad/manifest.json')).toBeUndefined();
  expect(runIdOf('other/r-1/')).toBeUndefined();
});

test('a shard is named after host, process and actor, whatever the host is called', () => {
  expect(shardId('vm-1.example.org', 42, 'a0')).toBe('vm-1.example.org-42-a0');
  expect(shardId('_büro/3', 42, 1)).toBe('b-ro-3-42-1');
  expect(shardId('', 1, 1)).toBe('host-1-1');
  expect(shardId('x'.repeat(300), 1, 1).length).toBeLessThan(100);
});
