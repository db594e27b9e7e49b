/** A reference that the original made: nobody knows by which encoder, so it counts as paid until a person takes it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { acceptReference } from '../../../src/reference/accept-reference.ts';
import {
  assessReference,
  preflightReferences,
  preflightWithAcceptance,
  wantedIdentity,
} from '../../../src/reference/identity.ts';
import { buildSite } from '../../helpers/build-site.ts';
import { fakeEncoder } from '../../helpers/fake-encoder.ts';
import { writeKbDataset } from '../../helpers/kb-dataset.ts';
import { originalReference } from '../../helpers/original-run.ts';
import { readTree, tempDir, writeTree } from '../../helpers/shards.ts';

const ENCODER = fakeEncoder();
const withLock = <T>(_database: string, work: () => Promise<T>): Promise<T> => work();

async function site(
  dir: string,
): Promise<{ root: string; datasetDir: string; question: Parameters<typeof preflightReferences>[0] }> {
  await writeKbDataset(join(dir, 'dataset'), ['shop']);
  const [root, datasetDir] = [join(dir, 'references'), join(dir, 'dataset')];
  return { root, datasetDir, question: { root, datasetDir, databases: ['shop'], encoder: ENCODER } };
}

describe('a reference without our identity', () => {
  test('counts as paid, encoder unknown: it is named with the flag that takes it, and not touched (S-02, R-02)', async () => {
    await using temp = await tempDir();
    const { root, question } = await site(temp.dir);
    await writeTree(join(root, 'shop'), originalReference('shop', 'theirs'));
    const before = await readTree(root);
    await expect(preflightReferences(question)).rejects.toMatchObject({ code: 'PREFLIGHT' });
    await expect(preflightReferences(question)).rejects.toThrow(
      /of unknown make \(encoder unknown\).*--accept-reference/,
    );
    expect(await readTree(root)).toEqual(before);
  });

  test('that was accepted is the wanted one from then on, for that encoder and those inputs only', async () => {
    await using temp = await tempDir();
    const { root, datasetDir, question } = await site(temp.dir);
    const theirs = originalReference('shop', 'theirs');
    await writeTree(join(root, 'shop'), theirs);
    const { toAccept } = await preflightWithAcceptance({ ...question, acceptsUnknown: true });
    const wanted = toAccept.get('shop');
    expect(wanted).toEqual(await wantedIdentity(datasetDir, 'shop', ENCODER));
    // Looking took nothing yet.
    await expect(preflightReferences(question)).rejects.toThrow('--accept-reference');
    expect(await acceptReference({ root, database: 'shop', wanted: wanted!, withLock })).toBe('0123456789abcdef');
    expect((await preflightReferences(question)).get('shop')?.kind).toBe('fresh');
    expect(await readTree(join(root, 'shop'))).toEqual(theirs);
    expect(JSON.parse(await readFile(join(root, '.skein/shop.json'), 'utf8'))).toMatchObject({
      encoder_id: 'unknown',
      is_paid: true,
      input_fp: '0123456789abcdef',
      accepted: { encoder_id: ENCODER.id, encoder_version: ENCODER.version },
    });
    const other = { ...question, encoder: { id: 'agent', version: '9' } };
    await expect(preflightReferences(other)).rejects.toThrow('--accept-reference');
    await writeFile(
      join(datasetDir, 'shop', 'shop_kb.jsonl'),
      '{"id":0,"knowledge":"k","description":"","definition":"x","type":"domain_knowledge","children_knowledge":-1}\n',
    );
    await expect(preflightReferences(question)).rejects.toThrow('--accept-reference');
  });

  test('that is damaged cannot be accepted: its KB rows must be there (R-03)', async () => {
    await using temp = await tempDir();
    const { root, question } = await site(temp.dir);
    await writeTree(join(root, 'shop'), { ...originalReference('shop', 'theirs'), '_kb_rows.json': '{' });
    await expect(preflightWithAcceptance({ ...question, acceptsUnknown: true })).rejects.toMatchObject({
      code: 'CORRUPT',
    });
  });

  test('is not what a reference of a known, paid encoder is: that one is never accepted', async () => {
    await using temp = await tempDir();
    const { root, datasetDir, question } = await site(temp.dir);
    await buildSite(temp.dir, 'shop', { version: 'agent-1', isPaid: true });
    const asked = { ...question, encoder: fakeEncoder({ version: '2' }) };
    await expect(preflightWithAcceptance({ ...asked, acceptsUnknown: true })).rejects.toMatchObject({
      code: 'PREFLIGHT',
    });
    const wanted = await wantedIdentity(datasetDir, 'shop', asked.encoder);
    const before = await readTree(root);
    await expect(acceptReference({ root, database: 'shop', wanted, withLock })).rejects.toMatchObject({
      code: 'PREFLIGHT',
    });
    expect(await readTree(root)).toEqual(before);
    expect((await assessReference(root, 'shop', wanted)).kind).toBe('kept');
  });
});
