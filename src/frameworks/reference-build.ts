/**
 * Building a reference from inside an actor: the work is done here in the thread, the lock is held by the daemon's main
 * thread, which is asked for it (DESIGN rule 5).
 */
import { join } from 'node:path';

import { currentActor } from '../actor/context.ts';
import { encoderNamed } from '../encoder/registry.ts';
import { describeError, SkeinError } from '../kernel/errors.ts';
import { buildReference, type Reference } from '../reference/build-reference.ts';
import { askForLock } from '../reference/held-lock.ts';
import { loadReference, referenceMarker } from '../reference/load-reference.ts';
import type { ReferenceSource } from './assignment.ts';

/** What is to be built, as plain data. All paths are absolute. */
export interface ReferenceBuildRequest {
  readonly datasetDir: string;
  readonly database: string;
  readonly cacheRoot: string;
  readonly referenceRoot: string;
  /** Name of the encoder, `rules`. */
  readonly encoder: string;
  /** Where the encoder's sessions go, `<root>/<db>/` (U-02). */
  readonly setupSessionsRoot: string;
  /** Of whom the build is; for the record beside the reference, and for who waits for its lock. */
  readonly runId?: string;
  /** Build even if a fresh one stands there. Default false. */
  readonly force?: boolean;
  /** Of the head's grant to build; for the record. */
  readonly epoch?: number;
}

/** @throws what `buildReference` and the daemon's `locks.acquire` throw; INVALID_INPUT for an unknown encoder */
export async function buildInActor(request: ReferenceBuildRequest, signal?: AbortSignal): Promise<Reference> {
  const { encoder, referenceRoot, database, runId } = request;
  const owner = runId === undefined ? 'skein encode' : `run ${runId}`;
  const actor = currentActor();
  const ask = (service: string, payload: unknown) => actor.ask(service, payload);
  return await buildReference({
    ...request,
    encoder: encoderNamed(encoder),
    lock: () => askForLock(ask, { root: referenceRoot, database, owner }),
    say: (line) => actor.log(line),
    ...(signal && { signal }),
  });
}

/**
 * The references that one actor has had in its life. The inputs of a run do not change while it runs, so they are hashed
 * once per actor and database; after that only the marker is looked at.
 */
export class KnownReferences {
  readonly #known = new Map<string, { readonly stamp: string; readonly reference: Reference }>();

  /**
   * @param source `given`: it is only read, and must be there
   * @throws as `buildInActor`; NOT_FOUND for a given one that is not there
   */
  async get(request: ReferenceBuildRequest, source: ReferenceSource, signal?: AbortSignal): Promise<Reference> {
    const { database, referenceRoot } = request;
    const look = () => referenceMarker(join(referenceRoot, database));
    const known = this.#known.get(database);
    if (known && (await look())?.stamp === known.stamp) return { ...known.reference, wasBuilt: false };
    const reference =
      source.kind === 'given'
        ? await givenReference(referenceRoot, database)
        : await buildInActor({ ...request, epoch: source.epoch }, signal);
    await tellDaemon(database, reference.wasBuilt);
    const marker = await look();
    if (marker?.text === reference.fingerprint) this.#known.set(database, { stamp: marker.stamp, reference });
    return reference;
  }
}

/** The daemon ships a reference as soon as it stands (P-07). One that does not listen hears of it by the task's end. */
async function tellDaemon(database: string, wasBuilt: boolean): Promise<void> {
  const actor = currentActor();
  await actor.ask('reference.ready', { database, wasBuilt }).catch((error: unknown) => {
    actor.log(`the daemon was not told that the reference of ${database} is ready: ${describeError(error)}`);
  });
}

async function givenReference(root: string, database: string): Promise<Reference> {
  const loaded = await loadReference(join(root, database));
  if (loaded) return { ...loaded, wasBuilt: false, digest: '', timingsMs: {} };
  throw new SkeinError('NOT_FOUND', `${join(root, database)}: the reference that was brought here is gone; try again`);
}
