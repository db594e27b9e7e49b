/**
 * The clean-up of SQL before two results are compared (§3C): comments, the word DISTINCT and calls of ROUND go, since
 * they do not make an answer right or wrong.
 *
 * Not here: parsing. SQL is cut into pieces just far enough that quoted text and comments are never mistaken for code.
 */

type Piece =
  | { readonly kind: 'comment' | 'quoted' | 'space' | 'symbol'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string; readonly upper: string };

const PIECES =
  /(?<comment>--[^\r\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<quoted>'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$))|(?<space>\s+)|(?<word>[\p{L}\p{N}_$.]+)|(?<symbol>[\s\S])/gu;

function piecesOf(sql: string): Piece[] {
  return [...sql.matchAll(PIECES)].map((match): Piece => {
    const [text] = match;
    const { comment, quoted, space, word } = match.groups as Record<string, string | undefined>;
    if (word !== undefined) return { kind: 'word', text, upper: text.toUpperCase() };
    if (comment !== undefined) return { kind: 'comment', text };
    if (quoted !== undefined) return { kind: 'quoted', text };
    return { kind: space === undefined ? 'symbol' : 'space', text };
  });
}

function textOf(pieces: readonly Piece[]): string {
  return pieces.map((piece) => piece.text).join('');
}

/** `sql` with each comment as one blank: `a/**\/b` stays two words. */
export function removeComments(sql: string): string {
  return textOf(piecesOf(sql).map((piece) => (piece.kind === 'comment' ? { kind: 'space', text: ' ' } : piece))).trim();
}

/** `sql` without the word DISTINCT, also inside aggregates; `IS DISTINCT FROM` is an operator and stays. */
export function removeDistinct(sql: string): string {
  const pieces = piecesOf(sql);
  const isWord = (piece: Piece | undefined, upper: string) => piece?.kind === 'word' && piece.upper === upper;
  const isOperator = (at: number) =>
    isWord(
      pieces.slice(at + 1).find((piece) => piece.kind !== 'space'),
      'FROM',
    );
  return textOf(pieces.filter((piece, at) => !isWord(piece, 'DISTINCT') || isOperator(at)));
}

/** `sql` with each `ROUND(x, n)` or `ROUND(x)` as x, in brackets where x is more than one term: it keeps its meaning. */
export function removeRound(sql: string): string {
  return textOf(withoutRound(piecesOf(sql)));
}

/** All three. */
export function cleanSql(sql: string): string {
  return removeRound(removeDistinct(removeComments(sql)));
}

/** Whether nothing but space, comments and semicolons is there. */
export function isEmptySql(sql: string): boolean {
  return /^[\s;]*$/.test(removeComments(sql));
}

function withoutRound(pieces: readonly Piece[]): Piece[] {
  const kept: Piece[] = [];
  for (let at = 0; at < pieces.length; at += 1) {
    const piece = pieces[at] as Piece;
    const call = piece.kind === 'word' && piece.upper === 'ROUND' ? callAt(pieces, at + 1) : undefined;
    if (!call) {
      kept.push(piece);
      continue;
    }
    const argument = trimmed(withoutRound(pieces.slice(call.open + 1, call.argumentEnd)));
    const isOneTerm = argument.length === 1 && argument[0]?.kind !== 'symbol';
    const open: Piece = { kind: 'symbol', text: '(' };
    kept.push(...(isOneTerm ? [...spaceBefore(kept), ...argument] : [open, ...argument, { ...open, text: ')' }]));
    at = call.close;
  }
  return kept;
}

/** `SELECT ROUND(x)` has a blank before the word; `2*ROUND(x)` needs none, `SELECT(1)+ROUND(x)` neither. */
function spaceBefore(kept: readonly Piece[]): Piece[] {
  return kept.at(-1)?.kind === 'word' ? [{ kind: 'space', text: ' ' }] : [];
}

interface Call {
  readonly open: number;
  /** Where the first argument ends: at a comma or at the closing bracket. */
  readonly argumentEnd: number;
  readonly close: number;
}

/** The call whose bracket opens at `from`, past space; none where none opens or it never closes. */
function callAt(pieces: readonly Piece[], from: number): Call | undefined {
  let open = from;
  while (pieces[open]?.kind === 'space') open += 1;
  if (pieces[open]?.text !== '(') return undefined;
  let argumentEnd: number | undefined;
  for (let at = open + 1, depth = 1; at < pieces.length; at += 1) {
    const piece = pieces[at] as Piece;
    if (piece.kind !== 'symbol') continue;
    if (piece.text === '(') depth += 1;
    else if (piece.text === ')') depth -= 1;
    else if (piece.text === ',' && depth === 1) argumentEnd ??= at;
    if (depth === 0) return { open, argumentEnd: argumentEnd ?? at, close: at };
  }
  return undefined;
}

function trimmed(pieces: readonly Piece[]): Piece[] {
  const isSolid = (piece: Piece) => piece.kind !== 'space';
  const first = pieces.findIndex(isSolid);
  return first === -1 ? [] : pieces.slice(first, pieces.findLastIndex(isSolid) + 1);
}
