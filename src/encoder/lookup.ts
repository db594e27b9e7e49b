/**
 * What a name in a definition stands for. In this order: a symbol that the definition itself defines, an item that it
 * depends on, a column, a value list of a column. Only what is unique counts; everything else is an issue that names the
 * term and what it could have meant.
 */
import type { KbRow } from '../dataset/task.ts';
import type { SetupResult } from '../reference/model.ts';
import type { Expr } from './ast.ts';
import type { Derived, KnowledgeIndex, KnownMap } from './knowledge-index.ts';
import type { ColumnInfo, MatchTier, SchemaIndex } from './schema-index.ts';
import { fitMap, mapExpr, parseValueMap, type ValueMap } from './value-map.ts';
import { bare, plain, wordsOf } from './words.ts';

/** Why a term could not be resolved. */
export interface Issue {
  readonly term: string;
  readonly reason: string;
  readonly candidates: readonly string[];
}

export interface LookupContext {
  readonly row: KbRow;
  readonly index: SchemaIndex;
  readonly knowledge: KnowledgeIndex;
  readonly results: ReadonlyMap<number, SetupResult>;
  readonly locals: ReadonlyMap<string, Expr>;
  /** The names in the formula. */
  readonly names: readonly string[];
  /** The prose after the formula; value lists and tables are named there. */
  readonly prose: string;
}

/** How a name was read, for the session file. */
export interface Reading {
  readonly term: string;
  readonly as: string;
}

export type Found =
  | { readonly kind: 'local'; readonly expr: Expr }
  | { readonly kind: 'derived'; readonly derived: Derived }
  | { readonly kind: 'column'; readonly column: ColumnInfo }
  | { readonly kind: 'mapped'; readonly column: ColumnInfo; readonly expr: Expr };

const SYMBOL_TAIL = /[_ ]?(?:numeric|factor|score|scores|values?|weights?|multiplier|points?|rating ?value)$/i;

export class Lookup {
  readonly issues: Issue[] = [];
  readonly readings = new Map<string, Reading>();
  /** KB items whose knowledge went into the expression. */
  readonly usedItems = new Set<number>();
  /** Whether a name stands for an item that is not encoded. */
  needsOpenItem = false;
  /** Pieces of the prose that were understood. */
  readonly understood: string[] = [];
  readonly #context: LookupContext;

  constructor(context: LookupContext) {
    this.#context = context;
  }

  get index(): SchemaIndex {
    return this.#context.index;
  }

  get derived(): ReadonlyMap<number, Derived> {
    return this.#context.knowledge.derived;
  }

  issue(term: string, reason: string, candidates: readonly string[] = []): undefined {
    if (!this.issues.some((known) => known.term === term)) this.issues.push({ term, reason, candidates });
    return undefined;
  }

  /** What `written` stands for; undefined after an issue. `asNumber`: a text column needs a value list. */
  find(written: string, { asNumber, within }: { asNumber: boolean; within?: string | undefined }): Found | undefined {
    const { knowledge, results, locals, row } = this.#context;
    const name = bare(written);
    const local =
      locals.get(plain(name)) ?? (within === undefined ? undefined : locals.get(plain(name.split('.').at(-1)!)));
    if (local !== undefined) return this.#read(written, 'defined in the definition', { kind: 'local', expr: local });
    const dependency = knowledge.dependency(name, results) ?? knowledge.dependency(written, results);
    if (dependency !== undefined && dependency.row.id !== row.id) {
      const derived = knowledge.derived.get(dependency.row.id);
      if (derived !== undefined) {
        for (const id of derived.kbIds) this.usedItems.add(id);
        return this.#read(written, `KB ${dependency.row.id}`, { kind: 'derived', derived });
      }
      if (dependency.row.type !== 'value_illustration') {
        this.needsOpenItem = true;
        return this.issue(written, `it is KB ${dependency.row.id} (${dependency.row.knowledge}), which is not encoded`);
      }
    }
    const own = asNumber ? this.#ownList(name, within) : undefined;
    if (own !== undefined) return own;
    const match = this.#column(name, within);
    if (match === 'ambiguous') return undefined;
    if (match !== undefined) {
      const { column, tier } = match;
      const listed = asNumber && column.type === 'TEXT' ? this.#listFor(name, column) : undefined;
      return listed ?? this.#read(written, `${where(column)} (by ${tier})`, { kind: 'column', column });
    }
    if (asNumber) {
      const mapped = this.#knownList(name, within);
      if (mapped !== undefined) return mapped;
    }
    const constant = asNumber ? this.#constant(name) : undefined;
    if (constant !== undefined) {
      const expr: Expr = { kind: 'number', value: constant };
      return this.#read(written, 'a constant of the definition', { kind: 'local', expr });
    }
    const stranger = knowledge.stranger(name, row.id);
    if (stranger !== undefined) {
      return this.issue(
        written,
        `it is KB ${stranger.id} (${stranger.knowledge}), which is not among the item's dependencies`,
      );
    }
    return this.issue(written, 'no column, JSON leaf or knowledge item has this name', this.#near(name));
  }

  /** The column that a value list of another item is about, with its numbers. */
  list({ subject, map, kbId }: KnownMap): Found | undefined {
    const column = this.#listColumn(subject, map, this.#context.prose);
    if (column === undefined) return undefined;
    this.usedItems.add(kbId);
    return this.#mapped(subject, column, map);
  }

  #read<T extends Found>(term: string, as: string, found: T): T {
    this.readings.set(term, { term, as });
    return found;
  }

  #column(name: string, within?: string): { column: ColumnInfo; tier: MatchTier } | 'ambiguous' | undefined {
    const count = /^number of (.+?)s?$/i.exec(name)?.[1];
    const counted = count === undefined ? undefined : this.index.match(`${count} count`, within);
    const named = counted?.tier === 'name' ? counted : this.index.match(name, within);
    const match = named ?? (within === undefined ? undefined : this.index.match(name));
    const columns = (match?.columns ?? []).filter(({ isJson }) => !isJson);
    const [only] = columns;
    if (match === undefined || only === undefined) return undefined;
    if (columns.length === 1) return { column: only, tier: match.tier };
    const said = plain(this.#context.prose);
    const placed = columns.filter(({ ref }) => said.includes(plain(ref.model)));
    if (placed.length === 1) return { column: placed[0]!, tier: match.tier };
    this.issue(name, 'several columns have this name', columns.map(where));
    return 'ambiguous';
  }

  /** A value list that the definition itself gives for a symbol of its formula. */
  #ownList(name: string, within?: string): Found | undefined {
    const segment = this.#segment(name);
    const map = segment === undefined ? undefined : parseValueMap(segment);
    if (map === undefined) return undefined;
    // A name that a column has letter for letter is that column, and only texts have lists.
    const own = this.index.match(name, within);
    const isColumn = own !== undefined && (own.tier === 'name' || own.tier === 'alias');
    if (isColumn && !own.columns.some((column) => this.#fit(column, map) > 0)) return undefined;
    const column = this.#listColumn(name, map, segment!, within);
    if (column === undefined) return undefined;
    this.understood.push(segment!);
    return this.#mapped(name, column, map);
  }

  /** The prose from where `name` is said to where the next symbol of the formula is. */
  #segment(name: string): string | undefined {
    const { prose, names } = this.#context;
    const spelled = formsOf(name).find((form) => mention(prose, form) >= 0);
    if (spelled === undefined) return undefined;
    const rest = prose.slice(mention(prose, spelled));
    let end = rest.length;
    for (const other of names) {
      if (plain(other) === plain(name)) continue;
      for (const form of formsOf(other)) {
        const at = mention(rest, form);
        // "X and Y are scored as …" is said of both.
        const isShared = /^(?:,| and|, and)? ?$/.test(
          rest.slice(spelled.length, Math.max(at, 0)).replace(SYMBOL_TAIL, ''),
        );
        if (at > 0 && at < end && !isShared) end = at;
      }
    }
    return rest.slice(0, end).replace(/[\s,;]+(?:and)?\s*$/, '');
  }

  #listColumn(name: string, map: ValueMap, prose: string, within?: string): ColumnInfo | undefined {
    const fits = (column: ColumnInfo): boolean => this.#fit(column, map) * 2 >= map.pairs.length;
    const fitsAll = (column: ColumnInfo): boolean => this.#fit(column, map) === map.pairs.length;
    const stem = name.replace(/^Delta[_ ]?/, '').replace(SYMBOL_TAIL, '');
    for (const form of new Set([name, stem])) {
      const exact = (this.index.match(form, within)?.columns ?? []).filter(({ isJson }) => !isJson);
      if (exact.length === 1 && fits(exact[0]!)) return exact[0];
    }
    const candidates = this.index.columns.filter(
      (column) =>
        column.type === 'TEXT' &&
        !column.isJson &&
        (within === undefined || column.ref.model === within) &&
        fitsAll(column),
    );
    const said = wordsOf(prose).join('');
    const named = candidates.filter(({ path }) => path.at(-1)!.length > 5 && said.includes(path.at(-1)!));
    if (named.length === 1) return named[0];
    const words = wordsOf(stem).map((word) => word.replaceAll(/[^a-z0-9]/g, ''));
    const pattern = words.length === 0 ? undefined : new RegExp(`^${words.join('[a-z0-9]*')}[a-z0-9]*$`);
    const begun = stem.length < 4 || !pattern ? [] : candidates.filter(({ path }) => pattern.test(path.at(-1)!));
    if (begun.length === 1) return begun[0];
    const short = candidates.filter(({ path }) =>
      this.index.match(stem)?.columns.some((column) => column.path === path),
    );
    if (short.length === 1) return short[0];
    const [only] = candidates;
    if (candidates.length === 1 && this.#isAkin(only!, stem, prose)) return only;
    return this.issue(name, 'it is not said to which column its value list belongs', candidates.map(where));
  }

  /** Whether a symbol, or the prose about it, has a word in common with a column. */
  #isAkin({ path, meaning }: ColumnInfo, stem: string, prose: string): boolean {
    const known = plain(path.at(-1)! + meaning);
    const words = [
      ...wordsOf(stem).filter((word) => word.length > 3),
      ...wordsOf(prose).filter((word) => word.length > 4),
    ];
    return words.some((word) => known.includes(word.replace(/s$/, '')) || known.includes(word.slice(0, 4)));
  }

  /** A text column in a formula: its value list, if another item gives one. */
  #listFor(name: string, column: ColumnInfo): Found | undefined {
    const known = this.#context.knowledge.maps.filter((map) => this.#isAbout(map, column));
    if (known.length !== 1) return undefined;
    this.usedItems.add(known[0]!.kbId);
    return this.#mapped(name, column, known[0]!.map);
  }

  /** A symbol such as `statusWeight` or `VendSecRate value` whose list another item gives. */
  #knownList(name: string, within?: string): Found | undefined {
    const { knowledge } = this.#context;
    const stem = name.replace(SYMBOL_TAIL, '');
    const about = knowledge.maps.filter(({ subject }) => plain(subject) === plain(name));
    if (about.length === 1) {
      const column = this.#listColumn(name, about[0]!.map, '', within);
      if (column === undefined) return undefined;
      this.usedItems.add(about[0]!.kbId);
      return this.#mapped(name, column, about[0]!.map);
    }
    if (stem === name || stem.length < 3) return undefined;
    const words = wordsOf(stem);
    const pattern = new RegExp(`^${words.join('[a-z0-9]*')}[a-z0-9]*$`);
    const named = (this.index.match(stem, within)?.columns ?? []).filter(({ isJson }) => !isJson);
    const columns = named.length > 0 ? named : this.index.columns.filter(({ path }) => pattern.test(path.at(-1)!));
    const pairs = columns.flatMap((column) =>
      knowledge.maps.filter((map) => this.#isAbout(map, column)).map((map) => ({ column, map })),
    );
    if (pairs.length !== 1) return undefined;
    const [{ column, map }] = pairs as [(typeof pairs)[number]];
    if (this.#fit(column, map.map) === 0) return undefined;
    this.usedItems.add(map.kbId);
    return this.#mapped(name, column, map.map);
  }

  #isAbout({ subject }: KnownMap, { path }: ColumnInfo): boolean {
    const segments = subject
      .replace(/\s*:.*$/, '')
      .split('.')
      .map(plain);
    return segments.every((segment, at) => path[path.length - segments.length + at] === segment);
  }

  #fit(column: ColumnInfo, map: ValueMap): number {
    const values = column.type === 'TEXT' ? this.index.values(column.ref) : undefined;
    return values === undefined ? 0 : fitMap(map, values).found;
  }

  #mapped(name: string, column: ColumnInfo, map: ValueMap): Found {
    const expr = mapExpr({ kind: 'column', ref: column.ref }, map, fitMap(map, this.index.values(column.ref) ?? []));
    return this.#read(name, `numbers for the values of ${where(column)}`, { kind: 'mapped', column, expr });
  }

  /** `where BaseDuration=36 months`: a number for a name that stands for nothing else. */
  #constant(name: string): number | undefined {
    const { prose } = this.#context;
    const at = mention(prose, name);
    const match = at < 0 || /\b(?:if|when|unless) $/i.test(prose.slice(0, at)) ? null : prose.slice(at + name.length);
    const number = match === null ? null : /^ ?= ?(-?\d+(?:\.\d+)?)(?![\w.%])/.exec(match);
    return number === null ? undefined : Number(number[1]);
  }

  #near(name: string): string[] {
    const words = wordsOf(name).filter((word) => word.length > 3);
    const scored = this.index.columns
      .map((column) => ({
        column,
        hits: words.filter((word) => plain(column.path.at(-1)! + column.meaning).includes(word)).length,
      }))
      .filter(({ hits }) => hits > 0)
      .sort((a, b) => b.hits - a.hits);
    return scored.slice(0, 3).map(({ column }) => where(column));
  }
}

/** How a name may be said in a prose: whole, its last part, without what marks it as a number. */
function formsOf(name: string): string[] {
  const last = name.split('.').at(-1)!;
  return [...new Set([name, last, last.replace(SYMBOL_TAIL, '')])].filter((form) => form.length > 1);
}

/** Where a name is said in a prose, as a whole word; -1 if it is not. */
function mention(prose: string, name: string): number {
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return prose.search(new RegExp(String.raw`(?<![\w.])${escaped}(?!\w)`));
}

export const where = ({ ref }: ColumnInfo): string => `${ref.model}.${ref.column}`;
