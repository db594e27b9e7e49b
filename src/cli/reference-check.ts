/** What stands in the reference root before a run or an encode, and whether it may be used (DESIGN rule 6). */
import { LockKeeper } from '../node/lock-keeper.ts';
import { acceptReference } from '../reference/accept-reference.ts';
import type { Encoder } from '../reference/encoder.ts';
import { preflightWithAcceptance, type Identity } from '../reference/identity.ts';
import type { Manifest } from '../run/manifest.ts';

/** The encoder called `name`; its modules are loaded only now. @throws SkeinError INVALID_INPUT */
export async function parseEncoder(name: string): Promise<Pick<Encoder, 'id' | 'version'>> {
  return (await import('../encoder/registry.ts')).encoderNamed(name);
}

/** References as a command finds them before it makes anything. */
export interface StandingReferences {
  /** The databases whose reference is the wanted one already, each with its fingerprint. */
  readonly fresh: ReadonlyMap<string, string>;
  /** Records that those of unknown make are taken, when `--accept-reference` said so; `fresh` with them. */
  accept(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}

/** Of a run that works on none. */
export const NO_REFERENCES: StandingReferences = { fresh: new Map(), accept: async () => new Map() };

/**
 * What stands in the reference root for a run's databases. Looks only.
 * @param acceptsUnknown `--accept-reference`: one of unknown make is taken as it is
 * @throws SkeinError PREFLIGHT for one that was paid for by another encoder, INVALID_INPUT for an unknown encoder, CORRUPT
 */
export async function standingReferences(
  { encoder: name, reference_root: root }: Pick<Manifest, 'encoder' | 'reference_root'>,
  datasetDir: string,
  databases: readonly string[],
  acceptsUnknown: boolean,
): Promise<StandingReferences> {
  const encoder = await parseEncoder(name);
  const { found, toAccept } = await preflightWithAcceptance({ root, databases, datasetDir, encoder, acceptsUnknown });
  const fresh = new Map(
    [...found].flatMap(([database, assessment]) =>
      assessment.kind === 'fresh' ? [[database, assessment.marker.text] as const] : [],
    ),
  );
  return { fresh, accept: async (signal) => new Map([...fresh, ...(await accepted(root, toAccept, signal))]) };
}

async function accepted(
  root: string,
  toAccept: ReadonlyMap<string, Identity>,
  signal: AbortSignal,
): Promise<[string, string][]> {
  if (toAccept.size === 0) return [];
  await using locks = new LockKeeper();
  const taken: [string, string][] = [];
  for (const [database, wanted] of toAccept) {
    const withLock = <T>(_database: string, work: () => Promise<T>): Promise<T> =>
      locks.hold({ root, database, owner: '--accept-reference', signal }, work);
    const fingerprint = await acceptReference({ root, database, wanted, withLock });
    if (fingerprint !== undefined) taken.push([database, fingerprint]);
  }
  return taken;
}
