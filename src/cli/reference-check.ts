/** What stands in the reference root before a run or an encode, and whether it may be used (DESIGN rule 6). */
import type { Manifest } from '../head/manifest.ts';
import { encoderNamed } from '../encoder/registry.ts';
import { preflightReferences } from '../reference/identity.ts';

/**
 * The databases whose reference is the wanted one already. Looks only.
 * @throws SkeinError PREFLIGHT for one that was paid for by another encoder, INVALID_INPUT for an unknown encoder
 */
export async function freshReferences(
  { framework, encoder: name, reference_root: root }: Pick<Manifest, 'framework' | 'encoder' | 'reference_root'>,
  datasetDir: string,
  databases: readonly string[],
): Promise<ReadonlySet<string>> {
  if (framework !== 'encode') return new Set();
  const found = await preflightReferences({ root, databases, datasetDir, encoder: encoderNamed(name) });
  return new Set([...found].flatMap(([database, { kind }]) => (kind === 'fresh' ? [database] : [])));
}
