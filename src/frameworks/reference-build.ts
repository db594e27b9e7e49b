/**
 * Building a reference from inside an actor: the work is done here in the thread, the lock is held by the daemon's main
 * thread, which is asked for it (DESIGN rule 5).
 */
import { currentActor } from '../actor/context.ts';
import { encoderNamed } from '../encoder/registry.ts';
import { buildReference, type Reference } from '../reference/build-reference.ts';
import { askForLock } from '../reference/held-lock.ts';

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
    ...(signal && { signal }),
  });
}
