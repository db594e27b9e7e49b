/**
 * Names of actors, each unique in its namespace.
 *
 * A name is taken from creation until the actor is killed. An actor that died by itself keeps its name (its callers may
 * still look at it); `kill` frees it at once, also for an actor that is already dead (ray-compatibility §8).
 */
import { ActorAlreadyExistsError, ValueError } from './errors.ts';

export interface ActorName {
  readonly name: string;
  readonly namespace: string;
}

export class ActorRegistry<H extends object> {
  readonly #byName = new Map<string, H>();
  readonly #names = new Map<H, ActorName>();

  find(name: ActorName): H | undefined {
    return this.#byName.get(keyOf(name));
  }

  /** @throws ValueError when there is none: with what may be the reason */
  get(name: ActorName): H {
    const handle = this.find(name);
    if (handle !== undefined) return handle;
    const elsewhere = [...this.#names.values()].filter((other) => other.name === name.name);
    const hint =
      elsewhere.length > 0
        ? `there is one in namespace ${elsewhere.map(({ namespace }) => namespace).join(', ')}: pass { namespace }`
        : 'it was never created with that name, it was killed, or it lives in another namespace';
    throw new ValueError(`no actor named ${JSON.stringify(name.name)} in namespace ${name.namespace}: ${hint}`);
  }

  /** @throws ActorAlreadyExistsError when the name is taken */
  claim(name: ActorName, handle: H): void {
    this.refuseTaken(name);
    this.#byName.set(keyOf(name), handle);
    this.#names.set(handle, name);
  }

  /** @throws ActorAlreadyExistsError when the name is taken */
  refuseTaken(name: ActorName): void {
    if (this.find(name) === undefined) return;
    throw new ActorAlreadyExistsError(
      `an actor named ${JSON.stringify(name.name)} exists in namespace ${name.namespace}: get it with getActor, or pass getIfExists: true`,
    );
  }

  release(handle: H): void {
    const name = this.#names.get(handle);
    if (name === undefined) return;
    this.#names.delete(handle);
    this.#byName.delete(keyOf(name));
  }

  nameOf(handle: H): ActorName | undefined {
    return this.#names.get(handle);
  }

  /** All names, of one namespace when one is given. */
  list(namespace?: string): ActorName[] {
    return [...this.#names.values()].filter((name) => namespace === undefined || name.namespace === namespace);
  }
}

const keyOf = ({ name, namespace }: ActorName): string => JSON.stringify([namespace, name]);
