/**
 * The secrets of the runs that this node works on, in memory only (W-13): from the head's order to the environment of the run's
 * own actors. A new life of the node has none until a head gives them.
 *
 * Invariants: R1 what is held here is masked in every log and row of this process. R2 a run's secrets go with the run.
 */
import { knowSecrets } from '../kernel/mask.ts';
import { Secrets } from '../kernel/secrets.ts';

export class RunSecrets implements Disposable {
  readonly #held = new Map<string, { readonly secrets: Secrets; readonly masking: Disposable }>();

  /** What the run's actors get from now on; nothing given changes nothing. */
  take(runId: string, values: Readonly<Record<string, string>>): void {
    const secrets = new Secrets(values);
    if (secrets.isEmpty || this.of(runId).equals(secrets)) return;
    const masking = knowSecrets(secrets);
    this.forget(runId);
    this.#held.set(runId, { secrets, masking });
  }

  of(runId: string): Secrets {
    return this.#held.get(runId)?.secrets ?? Secrets.NONE;
  }

  forget(runId: string): void {
    this.#held.get(runId)?.masking[Symbol.dispose]();
    this.#held.delete(runId);
  }

  [Symbol.dispose](): void {
    for (const runId of this.#held.keys()) this.forget(runId);
  }
}
