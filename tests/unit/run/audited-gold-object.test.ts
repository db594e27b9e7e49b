import { expect, test } from 'vitest';

import { auditedGoldDigest, readAuditedGoldText, uploadAuditedGold } from '../../../src/run/audited-gold-object.ts';
import { auditedGoldName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { manifestOf } from '../../helpers/rows.ts';

test('no run is scored by an audit that is absent or has other bytes than its name says (W-15, 3C-08)', async () => {
  const store = createMemoryStore();
  const text = '{"instance_id": "shop_1", "status": "clean"}\n';
  const digest = auditedGoldDigest(text);
  const manifest = manifestOf(['shop_1'], { use_audited_gold_sql: true, audited_gold: digest });
  await expect(readAuditedGoldText(store, manifest)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await uploadAuditedGold(store, text);
  expect(await readAuditedGoldText(store, manifest)).toBe(text);
  const { generation } = (await store.stat(auditedGoldName(digest)))!;
  await store.replace(auditedGoldName(digest), Buffer.from(text.replace('clean', 'edited')), generation);
  await expect(readAuditedGoldText(store, manifest)).rejects.toMatchObject({ code: 'CORRUPT' });
});
