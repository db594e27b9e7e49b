/**
 * A defence: a line of the product that keeps paid work, or the truth, from being lost; the change that switches it off; and the
 * tests that must then fail. What no test notices is no defence but a habit.
 */

/** One exact text of the file and what stands in its place. The text must be there exactly once. */
export interface Edit {
  readonly from: string;
  readonly to: string;
}

export interface Detectors {
  /** Below `tests/`. */
  readonly file: string;
  /** Beginnings or other parts of titles; of each at least one test must fail. */
  readonly titles: readonly string[];
}

export interface Defence {
  /** What holds, in a few words. */
  readonly name: string;
  /** Below `src/`. */
  readonly file: string;
  /** One; two where a second layer stands behind the first. */
  readonly edits: readonly [Edit, ...Edit[]];
  readonly noticedBy: readonly [Detectors, ...Detectors[]];
  /** Whether the tests start compiled code, which then has to be built first. */
  readonly needsBuild: boolean;
}

/** `from` → `to` in `src/<file>`, noticed by tests of one file. */
export function defence(
  name: string,
  file: string,
  edits: Edit | readonly [Edit, ...Edit[]],
  noticedBy: readonly [string, ...string[]],
  { needsBuild = false }: { readonly needsBuild?: boolean } = {},
): Defence {
  const [detector, ...titles] = noticedBy;
  return {
    name,
    file,
    edits: 'from' in edits ? [edits] : edits,
    noticedBy: [{ file: detector, titles }],
    needsBuild,
  };
}

/** Takes `text` out. */
export const without = (text: string): Edit => ({ from: text, to: '' });

export const instead = (from: string, to: string): Edit => ({ from, to });

/** How often `text` is in `source`. */
export const countOf = (source: string, text: string): number => source.split(text).length - 1;

/** `source` with the defence switched off. @throws Error when a text is not there exactly once */
export function switchOff({ name, file, edits }: Pick<Defence, 'name' | 'file' | 'edits'>, source: string): string {
  let changed = source;
  for (const { from, to } of edits) {
    const count = countOf(changed, from);
    if (count !== 1) throw new Error(`"${name}": src/${file} has this text ${count} times, not once: ${from}`);
    changed = changed.replace(from, () => to);
  }
  return changed;
}
