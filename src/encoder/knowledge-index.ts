/**
 * What the other items of a knowledge base contribute to reading one: their names, their value lists, and the entities
 * that those already encoded left behind.
 */
import type { KbRow } from '../dataset/task.ts';
import type { SetupResult } from '../reference/model.ts';
import type { ColumnRef, Expr } from './ast.ts';
import { parseValueMap, type ValueMap } from './value-map.ts';
import { plain, titleParts } from './words.ts';

export type ValueKind = 'number' | 'boolean' | 'text' | 'date';

/** What an encode left: the expression behind an entity. Names in it are resolved. */
export interface Derived {
  readonly kbId: number;
  readonly kind: 'column' | 'measure';
  readonly ref: ColumnRef;
  readonly expr: Expr;
  readonly value: ValueKind;
  /** Says a value in percent, not as a fraction. */
  readonly isPercent: boolean;
  /** Its SQL asks other tables by the host's key, so it cannot be named from another model. */
  readonly isLocal: boolean;
  /** The KB items whose knowledge is in it, its own included. */
  readonly kbIds: readonly number[];
}

/** A value list and where it is said. */
export interface KnownMap {
  readonly kbId: number;
  /** The name before the list: a title, or a head such as `LightSensitivity:`. */
  readonly subject: string;
  readonly map: ValueMap;
}

/** An item by one of its names. */
export interface NamedItem {
  readonly row: KbRow;
  readonly result: SetupResult | undefined;
}

export class KnowledgeIndex {
  readonly maps: readonly KnownMap[];
  readonly derived = new Map<number, Derived>();
  readonly #kb: ReadonlyMap<number, KbRow>;

  constructor(kb: ReadonlyMap<number, KbRow>) {
    this.#kb = kb;
    this.maps = [...kb.values()].flatMap((row) => (isFormula(row) ? [] : mapsOf(row)));
  }

  /** The names that an item goes by: title, abbreviation, and the symbol before its formula. */
  static namesOf(row: KbRow): string[] {
    const { name, abbreviation } = titleParts(row.knowledge);
    const whole = abbreviation === undefined ? [] : [`${name} (${abbreviation})`];
    return [...whole, name, ...(abbreviation === undefined ? [] : [abbreviation])];
  }

  /** The item among `results` that `name` means. */
  dependency(name: string, results: ReadonlyMap<number, SetupResult>): NamedItem | undefined {
    const wanted = plain(name);
    for (const [id, result] of results) {
      const row = this.#kb.get(id);
      if (row && KnowledgeIndex.namesOf(row).some((known) => plain(known) === wanted)) return { row, result };
    }
    return undefined;
  }

  /** Another item that has exactly this name, though it is not among the dependencies. */
  stranger(name: string, own: number): KbRow | undefined {
    const wanted = plain(name);
    const found = [...this.#kb.values()].filter(
      (row) => row.id !== own && KnowledgeIndex.namesOf(row).some((known) => plain(known) === wanted),
    );
    return found.length === 1 ? found[0] : undefined;
  }
}

/** A calculation's list belongs to its formula, unless it is the whole calculation. */
const isFormula = (row: KbRow): boolean => row.type === 'calculation_knowledge' && /[=\\]/.test(row.definition);

/** `A: Low=1, High=2; B: Low=3, High=4` is two lists, anything else one. */
function mapsOf(row: KbRow): KnownMap[] {
  const { name } = titleParts(row.knowledge);
  const parts = row.definition.split(/;\s*/);
  const headed = parts.map((part) => /^\s*([A-Za-z_][\w.]*)\s*:\s*(.*)$/s.exec(part));
  if (parts.length > 1 && headed.every((match) => match !== null)) {
    return headed.flatMap((match) => {
      const map = parseValueMap(match![2]!);
      return map === undefined ? [] : [{ kbId: row.id, subject: match![1]!, map }];
    });
  }
  const map = parseValueMap(row.definition);
  return map === undefined ? [] : [{ kbId: row.id, subject: name, map }];
}
