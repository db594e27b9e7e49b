/**
 * Whether a store does what everything here rests on: one probe object, made, refused, listed, read, replaced and removed.
 *
 * Not here: whether a store can be reached at all (its opener).
 */
import { randomUUID } from 'node:crypto';

import { asError, SkeinError } from '../kernel/errors.ts';
import { callPatiently, createOrConfirm, readPatiently } from './create-or-confirm.ts';
import type { ObjectStore } from './port.ts';

/** Where probes lie for the moment of the check. */
export const PROBE_PREFIX = 'probe/';

/**
 * @throws SkeinError PREFLIGHT that names what the store lacks: create-if-absent, replace at a generation, listing or reading
 * its own write, removing at a generation; or why it cannot be written to at all
 */
export async function checkUsable(store: ObjectStore): Promise<void> {
  const name = `${PROBE_PREFIX}${randomUUID()}`;
  const lacks = (what: string): SkeinError =>
    new SkeinError('PREFLIGHT', `the store ${store.url} is refused: ${what}. Name another one with --store`);
  const quick = { tries: 3, callTimeoutMs: 9_000 };
  const bytes = Buffer.from(name);
  try {
    const created = await createOrConfirm(store, name, bytes, quick);
    if (created.kind === 'conflict') throw lacks('a new object was refused because it exists already');
    const again = await callPatiently(`writing ${name}`, quick, (signal) =>
      store.create(name, Buffer.from('other'), { signal }),
    );
    if (again.kind === 'written') throw lacks('it does not honour create-if-absent: a second create was taken');
    const read = await readPatiently(store, name, quick);
    if (read?.bytes.equals(bytes) !== true) throw lacks('it does not read back what was just written');
    const page = await callPatiently(`listing ${PROBE_PREFIX}`, quick, (signal) =>
      store.list(name, { pageSize: 10, signal }),
    );
    if (!page.objects.some((object) => object.name === name)) throw lacks('it does not list what was just written');
    const replaced = await callPatiently(`writing ${name}`, quick, (signal) =>
      store.replace(name, bytes, read.generation, { signal }),
    );
    const stale = await callPatiently(`writing ${name}`, quick, (signal) =>
      store.replace(name, Buffer.from('stale'), read.generation, { signal }),
    );
    if (stale.kind === 'written') throw lacks('it replaces an object whose generation has changed');
    const generation = replaced.kind === 'written' ? replaced.generation : (stale.generation ?? '');
    const removed = await callPatiently(`removing ${name}`, quick, (signal) =>
      store.remove(name, generation, { signal }),
    );
    if (removed.kind === 'conflict') throw lacks('it does not remove an object at its generation');
  } catch (error) {
    if (error instanceof SkeinError && error.code === 'PREFLIGHT') throw error;
    const text = `the store ${store.url} cannot be used: ${asError(error).message}`;
    throw new SkeinError('PREFLIGHT', text, { cause: error });
  }
}
