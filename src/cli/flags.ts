/**
 * The flags of one command line, checked: every one is known, given once, and has a value if it takes one. The parser
 * (yargs) is told to guess nothing: no numbers, no dots, no `--no-`.
 *
 * Invariant: whatever is wrong is one SkeinError INVALID_INPUT with the flag's name in it.
 */
import { closest, distance } from 'fastest-levenshtein';

import { SkeinError } from '../kernel/errors.ts';
import type { Command } from './command.ts';
import { invalid } from './values.ts';

/** What yargs is configured with; `flagsOf` relies on it. */
export const PARSER = {
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'dot-notation': false,
  'boolean-negation': false,
  'camel-case-expansion': false,
  // A flag given twice comes as a list, and is refused.
  'duplicate-arguments-array': true,
  'strip-aliased': true,
} as const;

/** The name that `text` was meant to be, if one is near: at most two edits, or the longer half of it is right. */
export function nearest(text: string, names: Iterable<string>): string | undefined {
  const all = [...names];
  if (all.length === 0) return undefined;
  const begun = all.filter((name) => text.length > 1 && name.startsWith(text));
  if (begun.length === 1) return begun[0];
  const best = closest(text, all);
  return distance(text, best) <= Math.max(2, Math.floor(best.length / 3)) ? best : undefined;
}

export class Flags {
  readonly #values: ReadonlyMap<string, string>;
  readonly #switches: ReadonlySet<string>;

  constructor(values: ReadonlyMap<string, string>, switches: ReadonlySet<string>) {
    this.#values = values;
    this.#switches = switches;
  }

  /** Whether a switch is on. */
  has(name: string): boolean {
    return this.#switches.has(name);
  }

  /** The value of a flag or positional as it was typed, undefined if it was not. */
  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** The names of all flags and positionals that were typed. */
  get typed(): ReadonlySet<string> {
    return new Set([...this.#values.keys(), ...this.#switches]);
  }

  /** These flags, with `name` as if it had been typed so. */
  with(name: string, value: string): Flags {
    return new Flags(new Map([...this.#values, [name, value]]), this.#switches);
  }

  /** These flags, as if `name` had not been typed. */
  without(name: string): Flags {
    return new Flags(new Map([...this.#values].filter(([other]) => other !== name)), this.#switches);
  }

  /** A positional or flag that must be there. @throws SkeinError INVALID_INPUT */
  need(name: string, example: string): string {
    const value = this.get(name);
    if (value !== undefined) return value;
    throw new SkeinError('INVALID_INPUT', `--${name} is missing: say ${example}`, { fields: { field: `--${name}` } });
  }
}

/**
 * The flags of `command` in what yargs made of the command line.
 * @param typed the arguments as they were typed: yargs reads any value of a switch as true or false
 * @throws SkeinError INVALID_INPUT
 */
export function flagsOf(command: Command, argv: Readonly<Record<string, unknown>>, typed: readonly string[]): Flags {
  for (const argument of typed) {
    const [, name = '', value = ''] = /^--([^=]+)=(.*)$/s.exec(argument) ?? [];
    const isSwitch = command.flags[name] !== undefined && command.flags[name].value === undefined;
    if (isSwitch && value !== 'true' && value !== 'false') {
      throw invalid(`--${name}`, value, 'is not expected: it takes no value');
    }
  }
  const values = new Map<string, string>();
  const switches = new Set<string>();
  const known = new Set([...Object.keys(command.flags), 'help', 'version']);
  const positionals = command.positionals.map(({ name }) => name);
  for (const [key, value] of Object.entries(argv)) {
    if (key === '_' || key === '$0' || value === undefined || positionals.includes(key)) continue;
    if (!known.has(key)) throw unknownFlag(command, key, known);
    const spec = command.flags[key];
    if (Array.isArray(value)) throw refused(`--${key}`, 'is given more than once');
    if (spec === undefined) continue;
    if (spec.value === undefined) {
      if (value === true) switches.add(key);
    } else {
      if (typeof value !== 'string' || value === '') throw refused(`--${key}`, `needs a value: --${key} ${spec.value}`);
      values.set(key, value);
    }
  }
  takePositionals(command, argv, values);
  return new Flags(values, switches);
}

function takePositionals(command: Command, argv: Readonly<Record<string, unknown>>, values: Map<string, string>): void {
  for (const { name, isOptional } of command.positionals) {
    const value = argv[name];
    if (typeof value === 'string' && value !== '') values.set(name, value);
    else if (!isOptional) throw refused(name.toUpperCase(), `is missing: skein ${command.name} ${name.toUpperCase()}`);
  }
  const [, extra] = (argv['_'] as string[] | undefined) ?? [];
  if (extra === undefined) return;
  throw new SkeinError('INVALID_INPUT', `${JSON.stringify(extra)} is one argument too many for skein ${command.name}`);
}

function unknownFlag(command: Command, key: string, known: ReadonlySet<string>): SkeinError {
  const typed = key.length === 1 ? `-${key}` : `--${key}`;
  const meant = nearest(key, known);
  const hint = meant === undefined ? `skein ${command.name} --help lists those there are` : `did you mean --${meant}?`;
  return new SkeinError('INVALID_INPUT', `unknown flag ${typed} of skein ${command.name}; ${hint}`, {
    fields: { field: typed },
  });
}

function refused(field: string, why: string): SkeinError {
  return new SkeinError('INVALID_INPUT', `${field} ${why}`, { fields: { field } });
}
