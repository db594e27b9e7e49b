import { expect, test } from 'vitest';

import { isRunId, mintRunId } from '../../../src/kernel/ids.ts';

test('a new run id says when, what and how, and leaves room for the name of a machine (L-14, N-08, P-23)', () => {
  const nowMs = Date.UTC(2026, 4, 26, 10, 8, 59);
  expect(mintRunId('pydantic_ai', 'raw', nowMs)).toMatch(/^20260526t1008-pydanticai-raw-[0-9a-f]{6}$/);
  expect(mintRunId('pydantic_ai', 'slayer', nowMs)).toMatch(/^20260526t1008-pydanti-slayer-[0-9a-f]{6}$/);
  for (const framework of ['encode', 'pydantic_ai_otf_encode', 'Über Agent ✓', 'x'.repeat(200)]) {
    for (const queryMode of ['raw', 'slayer']) {
      const id = mintRunId(framework, queryMode, nowMs);
      expect(isRunId(id), id).toBe(true);
      expect(`ray-${id}-worker-12345678-compute`.length).toBeLessThanOrEqual(63);
    }
  }
  expect(new Set(Array.from({ length: 50 }, () => mintRunId('encode', 'raw', nowMs))).size).toBe(50);
});
