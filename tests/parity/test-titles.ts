/**
 * The tests that there are, by the titles in their sources. Sources are parsed, not run: a suite that skips itself here
 * (no dataset, no containers) counts as it does where it runs, and all of it takes a second.
 *
 * A title cites rows at its end, in parentheses: `'… is named and never merged (M-02, M-10)'`. Of a test that runs once per row
 * of a table the title pattern counts, and so do the texts of the table, where that is a list in the same file.
 * What is skipped for good (`skip`, `todo`, `fails`) proves nothing and is left out.
 */
import { readFileSync, globSync } from 'node:fs';
import { join } from 'node:path';

import { parseAst } from 'vitest/node';

/** A test as its source names it; `…` stands for what only the run knows. */
export interface NamedTest {
  /** Below the root, with slashes. */
  readonly file: string;
  /** The titles around it and its own, joined by ` › `, without what it cites. */
  readonly name: string;
  /** What stands in the parentheses at its end, if these look like ids of rows; not yet known to exist. */
  readonly cites: readonly string[];
}

/** A suite that cites rows, though only tests may. */
export interface CitingSuite {
  readonly file: string;
  readonly name: string;
}

export interface Titles {
  readonly tests: readonly NamedTest[];
  readonly citingSuites: readonly CitingSuite[];
}

/** What can be an id of a row: `M-02`, `Cdx2-1`, `3C-04`, `H1`, `Codex r6 minor`, `CR outside-diff`, `worktree safety`. */
const LOOKS_LIKE_AN_ID =
  /^(?:[A-Z][a-z]{0,3}\d?-\d{1,2}|CR-\d|3[ABC]-\d\d|[HML]\d(?: \w+)?|(?:CR|Codex) r\d(?: \w+)?|CR outside-diff|worktree safety)$/;

/** Title and ids of a text that ends with ids in parentheses; without ids if one part of it looks like none. */
export function splitCitation(text: string): { title: string; cites: readonly string[] } {
  const found = /^(.*\S)\s+\(([^()]+)\)$/su.exec(text);
  const parts = found?.[2]?.split(',').map((part) => part.trim()) ?? [];
  if (found?.[1] === undefined || !parts.every((part) => LOOKS_LIKE_AN_ID.test(part)))
    return { title: text, cites: [] };
  return { title: found[1], cites: parts };
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value;

function* children(node: Node): Generator<Node> {
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) yield* value.filter(isNode);
    else if (isNode(value)) yield value;
  }
}

/** The text of a literal or a template, as far as the source has it. */
function textOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Literal' && typeof node['value'] === 'string') return node['value'];
  if (node.type !== 'TemplateLiteral') return undefined;
  const parts = node['quasis'] as readonly { value: { cooked: string } }[];
  return parts.map(({ value }) => value.cooked).join('…');
}

function* textsIn(node: Node): Generator<string> {
  const text = textOf(node);
  if (text === undefined) for (const child of children(node)) yield* textsIn(child);
  else yield text;
}

interface Callee {
  readonly root: string;
  readonly modifiers: readonly string[];
  /** Arguments of `each` or `for`. */
  readonly table: readonly Node[];
}

/** Takes `it.concurrent.for(POINTS)` apart. */
function calleeOf(node: unknown): Callee | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier') return { root: node['name'] as string, modifiers: [], table: [] };
  if (node.type === 'MemberExpression') {
    const inner = calleeOf(node['object']);
    const property = node['property'];
    if (inner === undefined || !isNode(property) || property.type !== 'Identifier') return undefined;
    return { ...inner, modifiers: [...inner.modifiers, property['name'] as string] };
  }
  if (node.type !== 'CallExpression' && node.type !== 'TaggedTemplateExpression') return undefined;
  const inner = calleeOf(node['callee'] ?? node['tag']);
  const last = inner?.modifiers.at(-1);
  if (inner === undefined || (last !== 'each' && last !== 'for')) return inner;
  return { ...inner, table: ((node['arguments'] ?? [node['quasi']]) as readonly unknown[]).filter(isNode) };
}

const SKIPPED = new Set(['skip', 'todo', 'fails']);

/** All tests of one source text, in its order. */
export function titlesOf(file: string, source: string): Titles {
  const tests: NamedTest[] = [];
  const citingSuites: CitingSuite[] = [];
  const program = parseAst(source, { lang: 'ts' }) as unknown as Node;
  const lists = new Map<string, Node>();
  const noteLists = (node: Node): void => {
    const id = node['id'];
    if (node.type === 'VariableDeclarator' && isNode(id) && id.type === 'Identifier' && isNode(node['init'])) {
      lists.set(id['name'] as string, node['init']);
    }
    for (const child of children(node)) noteLists(child);
  };
  noteLists(program);

  const tableCites = (table: readonly Node[]): string[] =>
    table
      .map((node) => (node.type === 'Identifier' ? lists.get(node['name'] as string) : node))
      .filter((node) => node !== undefined)
      .flatMap((node) => [...textsIn(node)])
      .flatMap((text) => splitCitation(text).cites);

  const visit = (node: Node, around: readonly string[]): void => {
    const callee = node.type === 'CallExpression' ? calleeOf(node['callee']) : undefined;
    const args = (node['arguments'] ?? []) as readonly unknown[];
    const text = callee === undefined ? undefined : textOf(args[0]);
    if (callee === undefined || text === undefined || !['test', 'it', 'describe'].includes(callee.root)) {
      for (const child of children(node)) visit(child, around);
      return;
    }
    if (callee.modifiers.some((modifier) => SKIPPED.has(modifier))) return;
    const { title, cites } = splitCitation(text);
    if (callee.root === 'describe') {
      if (cites.length > 0) citingSuites.push({ file, name: text });
      for (const argument of args.filter(isNode)) visit(argument, [...around, title]);
      return;
    }
    const all = new Set([...cites, ...tableCites(callee.table)]);
    tests.push({ file, name: [...around, title].join(' › '), cites: [...all] });
  };
  visit(program, []);
  return { tests, citingSuites };
}

/**
 * All tests below `tests/`, those that helpers define for several suites among them, by file.
 * @throws the parser's error, when a source cannot be parsed
 */
export function readTitles(root: string): Titles {
  const files = globSync('tests/**/*.ts', { cwd: root }).map((file) => file.replaceAll('\\', '/'));
  const all = files.toSorted().map((file) => titlesOf(file, readFileSync(join(root, file), 'utf8')));
  return { tests: all.flatMap(({ tests }) => tests), citingSuites: all.flatMap((one) => one.citingSuites) };
}
