/**
 * Takes a reference of unknown make (the original's, which writes no record of whose it is) for the one that is wanted,
 * because a person said so: `--accept-reference`. Its record then says `unknown`, paid, and for which identity it was taken.
 *
 * Invariants: A1 the reference itself is not touched, nor is one whose make is known. A2 the record is written under the
 * lock of the database and only for the marker and the content that stand there then.
 */
import { localReference } from './local-reference.ts';
import { readIdentityRecord, writeIdentityRecord } from './build-facts.ts';
import { assessReference, keptError, UNKNOWN_ENCODER, type Identity, type IdentityRecord } from './identity.ts';

export interface AcceptOptions {
  readonly root: string;
  readonly database: string;
  readonly wanted: Identity;
  /** Runs `work` while holding the lock of (reference root, database) (S-09). */
  readonly withLock: <T>(database: string, work: () => Promise<T>) => Promise<T>;
  readonly nowMs?: number;
}

/** The fingerprint of its marker; undefined if it went away meanwhile. @throws SkeinError PREFLIGHT if its make is known by now */
export async function acceptReference(options: AcceptOptions): Promise<string | undefined> {
  const { root, database, wanted, withLock, nowMs = Date.now() } = options;
  return withLock(database, async () => {
    const now = await assessReference(root, database, wanted);
    if (now.kind === 'fresh') return now.marker.text;
    if (now.kind !== 'kept') return undefined;
    if ((now.found?.encoderId ?? UNKNOWN_ENCODER) !== UNKNOWN_ENCODER) {
      throw keptError(root, database, now.found, wanted);
    }
    const reference = await localReference(root, database);
    if (!reference) return undefined;
    const before = now.found ? ((await readIdentityRecord(root, database)) as Partial<IdentityRecord>) : {};
    const record: IdentityRecord = {
      version: 1,
      database,
      encoder_id: UNKNOWN_ENCODER,
      encoder_version: '',
      is_paid: true,
      built_at_ms: reference.order.builtAtMs,
      build_id: '',
      builder: UNKNOWN_ENCODER,
      epoch: 0,
      run_id: '',
      ...before,
      input_fp: reference.fingerprint,
      content_digest: reference.order.digest,
      accepted: {
        input_fp: wanted.inputFingerprint,
        encoder_id: wanted.encoderId,
        encoder_version: wanted.encoderVersion,
        at_ms: nowMs,
      },
    };
    await writeIdentityRecord(root, database, record);
    return reference.fingerprint;
  });
}
