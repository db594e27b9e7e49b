/**
 * Whether a bundle's default export may be a framework, told from its text: nothing of it is run. What only running
 * would tell (a function's result, a class made elsewhere) passes here and is looked at in the actor.
 */
import { SourceMap } from 'node:module';

import { SkeinError } from '../../kernel/errors.ts';
import type { PortableMap } from './bundle.ts';
import { USER_SCHEME } from './user-stack.ts';

export interface CheckedBundle {
  readonly code: string;
  /** Names that it exports. */
  readonly exports: readonly string[];
  readonly map: PortableMap;
  /** Of the user's file. */
  readonly path: string;
}

const SHOULD = 'export default a class with runTask(task, context), or a function that makes such an object';

/** @throws SkeinError INVALID_INPUT with file, line and column */
export async function checkDefaultExport(bundle: CheckedBundle): Promise<void> {
  const { exports, path } = bundle;
  if (!exports.includes('default')) {
    const others = exports.length === 0 ? 'nothing' : `only ${exports.join(', ')}`;
    throw invalid(`${path}:1:1`, `it has no default export (it exports ${others}); ${SHOULD}`);
  }
  const { parseAst } = await import('rolldown/parseAst');
  const found = defaultOf(parseAst(bundle.code).body as unknown as readonly Syntax[]);
  if (!found) return;
  if (NO_FRAMEWORK.test(found.type)) {
    throw invalid(placeOf(found, bundle), `its default export is neither a class nor a function; ${SHOULD}`);
  }
  if (found.type.startsWith('Class') && !mayRunTasks(found, bundle.code)) {
    throw invalid(placeOf(found, bundle), 'its default export is a class without runTask(task, context)');
  }
}

/** Values that can never be called. */
const NO_FRAMEWORK = /^(?:ObjectExpression|ArrayExpression|Literal|TemplateLiteral|NewExpression)$/;

/** As much of a syntax tree as is looked at. */
interface Syntax {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly id?: Syntax | null;
  readonly name?: string;
  readonly init?: Syntax | null;
  readonly superClass?: Syntax | null;
  readonly declaration?: Syntax | null;
  readonly declarations?: readonly Syntax[];
  readonly specifiers?: readonly { readonly local: Syntax; readonly exported?: Syntax }[];
}

/** What the default export is, undefined where the text does not say. Names are resolved within `body`. */
function defaultOf(
  body: readonly Syntax[],
): (Syntax & { readonly ancestors: readonly (Syntax | undefined)[] }) | undefined {
  const declared = new Map<string, Syntax>();
  for (const statement of body) {
    if (statement.id?.name !== undefined) declared.set(statement.id.name, statement);
    for (const { id, init } of statement.declarations ?? []) {
      if (id?.name !== undefined && init) declared.set(id.name, init);
    }
  }
  const resolved = (node: Syntax | null | undefined): Syntax | undefined =>
    node?.type === 'Identifier' ? declared.get(node.name ?? '') : (node ?? undefined);
  const local = body
    .flatMap(({ specifiers = [] }) => specifiers)
    .find(({ exported }) => exported?.name === 'default')?.local;
  const found = resolved(local ?? body.find(({ type }) => type === 'ExportDefaultDeclaration')?.declaration);
  if (!found) return undefined;
  const ancestors: (Syntax | undefined)[] = [];
  for (let at: Syntax | undefined = found; at?.superClass && ancestors.length < 32;) {
    ancestors.push((at = resolved(at.superClass)));
  }
  return { ...found, ancestors };
}

/** Whether the class or one that it extends names `runTask`, or extends what is not known here. */
function mayRunTasks(found: NonNullable<ReturnType<typeof defaultOf>>, code: string): boolean {
  return [found, ...found.ancestors].some(
    (each) => !each || !each.type.startsWith('Class') || /\brunTask\b/.test(code.slice(each.start, each.end)),
  );
}

/** `file:line:column` in the user's sources, as editors count. */
function placeOf({ start }: Syntax, { code, map, path }: CheckedBundle): string {
  const before = code.slice(0, start).split('\n');
  const entry = new SourceMap({ ...map, file: '', sourcesContent: [], sourceRoot: '' }).findEntry(
    before.length - 1,
    before.at(-1)?.length ?? 0,
  );
  if (!('originalSource' in entry)) return path;
  const source = entry.originalSource.replace(USER_SCHEME, '');
  const file = path.endsWith(`/${source}`) ? path : source;
  return `${file}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
}

function invalid(where: string, why: string): SkeinError {
  return new SkeinError('INVALID_INPUT', `--framework: ${where}: ${why}`, { fields: { field: '--framework' } });
}
