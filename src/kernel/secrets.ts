/**
 * Secrets of a run while they are in memory: API keys and what else a submitter hands to the actors of one run (W-13).
 *
 * Not here: where they come from (the command line), how they travel, and how texts are cleaned of them (`mask.ts`).
 *
 * Invariants: S1 nothing that prints, clones or serialises this object shows a value: not JSON, not `inspect`, not a template
 * string. S2 only `reveal` gives values away; its callers are the wire and the environment of an actor.
 */

/** How a secret may be called: as an environment variable, at most 128. */
export const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** Variables that a thread, a process or Skein itself is steered by: a run may not set them. */
const RESERVED =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TMP|TEMP|PWD|TERM|NODE_\w+|LD_\w+|DYLD_\w+|UV_\w+|GRPC_\w+|SKEIN_\w+)$/i;

/** Why `name` cannot be the name of a secret; undefined if it can. */
export function secretNameFault(name: string): string | undefined {
  if (!SECRET_NAME.test(name)) return 'is no name of an environment variable: letters, digits and _, at most 128';
  return RESERVED.test(name) ? 'steers the process itself and cannot be a secret' : undefined;
}

export class Secrets {
  static readonly NONE = new Secrets({});
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: Readonly<Record<string, string>>) {
    this.#values = new Map(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Sorted. */
  get names(): string[] {
    return [...this.#values.keys()];
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** Those of `names` that are not among these. */
  missing(names: Iterable<string>): string[] {
    return [...names].filter((name) => !this.#values.has(name));
  }

  /** Those of them that are called so. */
  pick(names: Iterable<string>): Secrets {
    const wanted = new Set(names);
    return new Secrets(Object.fromEntries([...this.#values].filter(([name]) => wanted.has(name))));
  }

  /** Whether both hold the same values under the same names. */
  equals(other: Secrets): boolean {
    return other.#values.size === this.#values.size && [...this.#values].every(([k, v]) => other.#values.get(k) === v);
  }

  /** The values, by name: for the environment of the run's own actors, and for the wire that leads there. */
  reveal(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }

  toJSON(): { readonly names: readonly string[] } {
    return { names: this.names };
  }

  toString(): string {
    return `[secrets ${this.names.join(', ')}]`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
