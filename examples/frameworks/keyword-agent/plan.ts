/** What a question asks for, as far as this agent understands: a figure, of what, over which rows, in which order. */
import type { Catalogue, Known, Way } from './catalogue.ts';
import { wordsOf } from './words.ts';

/** A column and the way to it from the table that is asked. */
export interface Target {
  readonly known: Known;
  readonly way: Way;
}

export interface Plan {
  /** The table whose rows are counted, averaged or listed. */
  readonly table: string;
  /** The encoded knowledge that the question is about; undefined: nothing was recognised. */
  readonly target: Target | undefined;
  readonly figure: 'average' | 'sum' | 'count' | 'share' | 'rows';
  /** Only rows for which the target holds. */
  readonly isFilter: boolean;
  /** By what rows are put together, or what is shown of each. */
  readonly groups: readonly Target[];
  /** What is grouped by beside what is shown: the key of who is named. */
  readonly hiddenGroups: readonly Target[];
  readonly month: Known | undefined;
  /** Lists of which the length is asked. */
  readonly lengths: readonly Target[];
  readonly order: 'ascending' | 'descending' | undefined;
  readonly limit: number | undefined;
  readonly summary: Record<string, unknown>;
}

const NUMBERS = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ');

export function planOf(question: string, catalogue: Catalogue): Plan {
  const text = question.replaceAll(/\s+/g, ' ').trim();
  const words = wordsOf(text);
  const isAverage = /\b(?:on average|average|rank)\b/i.test(text);
  const isCount =
    /^(?:count|how many)\b|\bhow many \w+ (?:were|fall|are|is|was)\b/i.test(text) &&
    !/^how many (?:kilogram|litre|ton|euro|mile)/i.test(text);
  const isShare = /\bshare of\b/i.test(text);
  const target = targetOf(words, catalogue, { isAverage });
  const table = target?.known.table ?? catalogue.tables[0] ?? '';
  const type = target?.known.column.type;
  const isYesNo = type === 'BOOLEAN';
  const isLevel = /\blevel of\b/i.test(text) && !isYesNo;
  const figure: Plan['figure'] =
    isShare && isYesNo
      ? 'share'
      : isCount && (isYesNo || isLevel)
        ? 'count'
        : isAverage && !isYesNo
          ? 'average'
          : /\bhow (?:much|many)\b/i.test(text) && !isYesNo && !isCount
            ? 'sum'
            : 'rows';
  const phrase = groupPhrase(text);
  const limit = limitOf(text);
  const month = /\b(?:per|by|each) month\b/i.test(text) ? dayOf(catalogue, table) : undefined;
  const found =
    month || (figure === 'count' && isLevel) ? { shown: [], hidden: [] } : groupsOf(phrase, table, catalogue);
  const extras = extrasOf(text, table, catalogue, found.shown);
  const isList = figure === 'rows';
  // Who says what to give of each names it by that.
  const isSaid = !isList && extras.columns.length > 0;
  const named = isSaid ? extras.columns : [...found.shown, ...extras.columns];
  const groups = isLevel && figure === 'count' && target ? [target] : named;
  const order = orderOf(text, target?.known, limit);
  return {
    table,
    target,
    figure,
    isFilter: isYesNo && figure !== 'share' && figure !== 'average',
    groups: isList && groups.length === 0 ? ownNames(table, catalogue) : groups,
    hiddenGroups: isSaid ? [...found.shown, ...found.hidden] : found.hidden,
    month,
    lengths: extras.lengths,
    order,
    limit,
    summary: {
      about: target && `${target.known.table}.${target.known.column.name}`,
      figure,
      groups: groups.map(({ known }) => `${known.table}.${known.column.name}`),
      ...(month && { month: month.column.name }),
      ...(order && { order }),
      ...(limit !== undefined && { limit }),
    },
  };
}

/** The knowledge that the question speaks of. What is averaged is a number: behind a yes or no stands the one that it rests on. */
function targetOf(
  words: readonly string[],
  catalogue: Catalogue,
  { isAverage }: { isAverage: boolean },
): Target | undefined {
  const knowledge = catalogue.columns.filter(({ kbId }) => kbId !== undefined);
  const best = catalogue.best(words, knowledge)?.known;
  if (!best) return undefined;
  if (!isAverage || best.column.type !== 'BOOLEAN') return { known: best, way: [] };
  const behind = knowledge.filter(
    ({ kbId, table, column }) => best.kbIds.includes(kbId!) && table === best.table && column.type !== 'BOOLEAN',
  );
  return { known: catalogue.best(words, behind)?.known ?? behind[0] ?? best, way: [] };
}

/** What stands behind "for each", "per", "by", or whom the question asks for. */
function groupPhrase(text: string): string {
  const cues = [
    /\bfor (?:each|every) ([^,.?]+)/i,
    /^rank the (\w+)/i,
    /\binto each ([^,.?]+)/i,
    /\b(?:did|does|do) each (\w+(?: class| style| type)?)/i,
    /[ ,]by ([^,.?]+)/i,
    /\bper (\w+)/i,
    /\bwhich (\w+)/i,
    /^(?:name|list|show) the (?:\w+ )?(\w+)(?= that| whose| with| seen)/i,
  ];
  for (const cue of cues) {
    const phrase = cue.exec(text)?.[1];
    if (phrase !== undefined) return phrase;
  }
  return '';
}

/** Columns that the phrase names. A table that it names is shown by its rows' name, or by their key. */
function groupsOf(phrase: string, table: string, catalogue: Catalogue): { shown: Target[]; hidden: Target[] } {
  const words = wordsOf(phrase);
  if (words.length === 0) return { shown: [], hidden: [] };
  const reachable = reachableFrom(table, catalogue);
  const best = reachable
    .map((target) => ({
      target,
      hits: words.filter((word) => target.known.words.has(word)).length,
      score: catalogue.score(words, target.known),
    }))
    .filter(
      ({ target: { known }, hits }) => hits > 0 && known.kbId === undefined && known.column.meta?.['jsonb'] !== true,
    )
    .sort((a, b) => b.hits - a.hits || a.target.way.length - b.target.way.length || b.score - a.score)[0];
  const named = catalogue.namedTable(words);
  const way = named === undefined ? undefined : catalogue.waysFrom(table).find((each) => each.table === named)?.way;
  if (named !== undefined && way && (!best || best.hits <= 1)) return rowsOf(named, way, table, catalogue);
  return best ? { shown: [best.target], hidden: [] } : { shown: [], hidden: [] };
}

function rowsOf(named: string, way: Way, table: string, catalogue: Catalogue): { shown: Target[]; hidden: Target[] } {
  const key = catalogue.keyOf(named).flatMap((name) => at(named, name, way, catalogue));
  const name = catalogue.nameOf(named);
  if (name !== undefined) return { shown: at(named, name, way, catalogue), hidden: key };
  const [join] = way;
  // The table itself says which row it means: no join is needed for a key.
  if (way.length === 1 && join) {
    return { shown: join.join_pairs.flatMap(([source]) => at(table, source, [], catalogue)), hidden: [] };
  }
  return { shown: key, hidden: [] };
}

/** How rows of the table are called where nobody says what to show. */
function ownNames(table: string, catalogue: Catalogue): Target[] {
  const name = catalogue.nameOf(table);
  const names = name === undefined ? catalogue.keyOf(table) : [name];
  return names.flatMap((each) => at(table, each, [], catalogue));
}

/** What the question wants to see besides: "give both port names", "with the day". */
function extrasOf(
  text: string,
  table: string,
  catalogue: Catalogue,
  known: readonly Target[],
): { columns: Target[]; lengths: Target[] } {
  const columns: Target[] = [];
  const lengths: Target[] = [];
  const isKnown = (target: Target): boolean =>
    [...known, ...columns].some((each) => each.known === target.known && each.way.at(-1) === target.way.at(-1));
  const reachable = reachableFrom(table, catalogue).filter((target) => target.known.kbId === undefined);
  const list = /\bhow many (\w+ \w+) does each have/i.exec(text)?.[1];
  if (list !== undefined) {
    const found = bestOf(
      wordsOf(list),
      reachable.filter(({ known: { column } }) => column.meta?.['json_list'] === true),
      catalogue,
    );
    if (found) lengths.push(found);
  }
  for (const part of (/\b(?:give|with) ([^.?]+)/i.exec(text)?.[1] ?? '').split(/,| and /)) {
    // A figure, an order, or how the rows are called anyway.
    if (/average|rate|score|per |first/i.test(part) || /^\s*(?:the )?names?\s*$/i.test(part)) continue;
    const words = wordsOf(part);
    const found = bestOf(words, reachable, catalogue);
    if (!found || words.length === 0) continue;
    // "Both": every way to the same column.
    const wanted = /\bboth\b/i.test(part) ? reachable.filter((target) => target.known === found.known) : [found];
    for (const target of wanted) if (!isKnown(target)) columns.push(target);
  }
  return { columns, lengths };
}

function bestOf(words: readonly string[], among: readonly Target[], catalogue: Catalogue): Target | undefined {
  const best = catalogue.best(
    words,
    among.map(({ known }) => known),
  )?.known;
  return among.find(({ known }) => known === best);
}

function reachableFrom(table: string, catalogue: Catalogue): Target[] {
  return catalogue
    .waysFrom(table)
    .flatMap(({ table: there, way }) => catalogue.knownOf(there).map((known): Target => ({ known, way })));
}

function at(table: string, column: string, way: Way, catalogue: Catalogue): Target[] {
  return catalogue
    .knownOf(table)
    .filter((known) => known.column.name === column)
    .map((known) => ({ known, way }));
}

/** The column that says on which day something was. */
function dayOf(catalogue: Catalogue, table: string): Known | undefined {
  return catalogue.knownOf(table).find(({ column }) => /YYYY-MM-DD/.test(column.description ?? ''));
}

function limitOf(text: string): number | undefined {
  const typed = /\b(?:the|top) (\d+|[a-z]+) (?=\w)/i.exec(text)?.[1]?.toLowerCase();
  if (typed === undefined) return undefined;
  const number = /^\d+$/.test(typed) ? Number(typed) : NUMBERS.indexOf(typed);
  return number > 0 ? number : undefined;
}

/** "First" makes an order. Most comes first, unless little is good and the good is asked for, or the least. */
function orderOf(text: string, known: Known | undefined, limit: number | undefined): Plan['order'] {
  const word = /\b(\w+)(?: \w+)? first\b/i.exec(text)?.[1]?.toLowerCase();
  if (word === undefined && limit === undefined) return undefined;
  if (word !== undefined && /^(?:least|lowest|fewest|smallest|worst)$/.test(word) && word !== 'worst')
    return 'ascending';
  return known?.isLowerBetter && word !== 'worst' ? 'ascending' : 'descending';
}
