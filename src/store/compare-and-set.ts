/**
 * Writing an object that has one owner at a time (a lease, a grant, a status): only if it is as the owner left it. A lost
 * answer is read back and compared, so a refusal means that somebody else wrote.
 *
 * Not here: `overwrite` (`create-or-confirm.ts`), which goes on whatever stands there and therefore fences nobody.
 *
 * Invariants: S1 a `conflict` is never our own write. S2 bytes are told apart by their content: writers put a name or a
 * time of theirs into them.
 */
import { isSkeinError } from '../kernel/errors.ts';
import { retry, withDeadline } from '../kernel/retry.ts';
import { isTransient, readChecked, type PersistOptions } from './create-or-confirm.ts';
import type { ObjectStore, StoredObject, WriteOutcome } from './port.ts';

export type SetOutcome =
  | { readonly kind: 'written'; readonly generation: string }
  /** What stands there instead, undefined if nothing does. */
  | { readonly kind: 'conflict'; readonly standing: StoredObject | undefined };

const CALL_TIMEOUT_MS = 10_000;

/**
 * Puts `bytes` under `name` if its generation still is `expected`; undefined = if nothing stands there.
 * @throws SkeinError the last error once the tries are used up; DISK_FULL, INVALID_INPUT, CANCELLED at once
 */
export function compareAndSet(
  store: ObjectStore,
  name: string,
  bytes: Uint8Array,
  expected: string | undefined,
  options: PersistOptions = {},
): Promise<SetOutcome> {
  const { callTimeoutMs = CALL_TIMEOUT_MS, signal } = options;
  const once = async (): Promise<SetOutcome> => {
    let outcome: WriteOutcome | undefined;
    let unknown: unknown;
    try {
      outcome = await withDeadline(`writing ${name}`, callTimeoutMs, signal, (inner) =>
        expected === undefined
          ? store.create(name, bytes, { signal: inner })
          : store.replace(name, bytes, expected, { signal: inner }),
      );
    } catch (error) {
      if (!isSkeinError(error, 'OUTCOME_UNKNOWN', 'DEADLINE')) throw error;
      unknown = error;
    }
    if (outcome?.kind === 'written') return outcome;
    const standing = await withDeadline(`reading ${name}`, callTimeoutMs, signal, (inner) =>
      readChecked(store, name, { signal: inner }),
    );
    if (standing?.bytes.equals(Buffer.from(bytes))) return { kind: 'written', generation: standing.generation };
    if (outcome === undefined && standing?.generation === expected) throw unknown;
    return { kind: 'conflict', standing };
  };
  return retry(once, { ...options, isRetryable: isTransient });
}
