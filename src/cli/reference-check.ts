/** What stands in the reference root before a run or an encode, and whether it may be used (DESIGN rule 6). */
import type { Manifest } from '../run/manifest.ts';
import type { Encoder } from '../reference/encoder.ts';
import { preflightReferences } from '../reference/identity.ts';

/** The encoder called `name`; its modules are loaded only now. @throws SkeinError INVALID_INPUT */
export async function parseEncoder(name: string): Promise<Pick<Encoder, 'id' | 'version'>> {
  return (await import('../encoder/registry.ts')).encoderNamed(name);
}

/**
 * The databases whose reference is the wanted one already, each with its fingerprint. Looks only.
 * @throws SkeinError PREFLIGHT for one that was paid for by another encoder, INVALID_INPUT for an unknown encoder
 */
export async function freshReferences(
  { framework, encoder: name, reference_root: root }: Pick<Manifest, 'framework' | 'encoder' | 'reference_root'>,
  datasetDir: string,
  databases: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (framework !== 'encode') return new Map();
  const encoder = await parseEncoder(name);
  const found = await preflightReferences({ root, databases, datasetDir, encoder });
  return new Map(
    [...found].flatMap(([database, assessment]) =>
      assessment.kind === 'fresh' ? [[database, assessment.marker.text] as const] : [],
    ),
  );
}
