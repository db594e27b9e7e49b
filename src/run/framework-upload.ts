/**
 * Ships a user's own framework to the store, by its content: `frameworks/<sha256>.mjs`, made once, never replaced. It
 * outlives the runs that brought it, since a run of it may be resumed when its sources are gone.
 */
import { SkeinError } from '../kernel/errors.ts';
import { createOrConfirm, type PersistOptions } from '../store/create-or-confirm.ts';
import { frameworkName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';

/**
 * @returns whether it went up now; false: it stood there
 * @throws SkeinError PREFLIGHT when other bytes stand under its name; CANCELLED | the store's
 */
export async function uploadFramework(
  store: ObjectStore,
  { digest, bytes }: { readonly digest: string; readonly bytes: Uint8Array },
  options: PersistOptions = {},
): Promise<boolean> {
  const name = frameworkName(digest);
  const outcome = await createOrConfirm(store, name, bytes, options);
  if (outcome.kind !== 'conflict') return outcome.kind === 'created';
  throw new SkeinError(
    'PREFLIGHT',
    `${name} in ${store.url} has other bytes than its name says; remove it and submit again`,
  );
}
