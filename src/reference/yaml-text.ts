/**
 * YAML as PyYAML, which the real SLayer uses, writes and reads it. Plain data only: texts, numbers, booleans, null, lists
 * and objects, no anchors and no tags.
 *
 * Why an emitter of our own: stage-1 models must be the bytes that the tool itself writes, and the `js-yaml` package offers
 * neither PyYAML's layout nor a safe text for a YAML 1.1 reader (bare `=`, tabs, NEL). Reading is the package's
 * work, with PyYAML's rules of what a plain scalar is: its own 1.1 rules make a column called `y` a boolean.
 *
 * Invariants: Y1 output is ASCII. Y2 a text is read back as the same text by PyYAML, whatever it holds. Y3 nothing is
 * folded: a text that PyYAML would fold is written in double quotes on one line.
 */
import { defineScalarTag, FAILSAFE_SCHEMA, loadAll, NOT_RESOLVED } from 'js-yaml';

import { asError, SkeinError } from '../kernel/errors.ts';

const NULL = /^(?:~|null|Null|NULL|)$/;
const BOOL = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
const INT =
  /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const TIMESTAMP =
  /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/;
/** What PyYAML reads as something else than a text when it stands bare. */
const RESOLVES = [NULL, BOOL, INT, FLOAT, TIMESTAMP, /^(?:<<|=)$/];
/** Texts that may not stand bare: indicators in front, `: `, ` #`, blanks at the ends. */
const NOT_BARE = /^[-?:](?:\s|$)|^[#,[\]{}&*!|>'"%@`]|^(?:---|\.\.\.)|:(?:\s|$)|\s#|^\s|\s$/;
/** Where PyYAML begins to fold, at blanks only. */
const WIDTH = 80;

/** `value` as a YAML document in PyYAML's block style: keys in the order given, fields that are undefined left out. */
export function toYaml(value: unknown): string {
  return isEmptyOrScalar(value) ? `${scalar(value, 0)}\n` : block(value as object, 0);
}

function block(value: object, indent: number): string {
  return Array.isArray(value) ? list(value, indent) : mapping(value as Record<string, unknown>, indent);
}

function mapping(value: Record<string, unknown>, indent: number): string {
  const pad = ' '.repeat(indent);
  let text = '';
  for (const [key, part] of Object.entries(value)) {
    if (part === undefined) continue;
    const head = `${text === '' ? '' : pad}${scalar(key, 0)}:`;
    if (isEmptyOrScalar(part)) text += `${head} ${scalar(part, indent + head.trimStart().length + 1)}\n`;
    // A list in a mapping stands at its key's own indent, a mapping two further.
    else if (Array.isArray(part)) text += `${head}\n${pad}${list(part, indent)}`;
    else text += `${head}\n${pad}  ${block(part as object, indent + 2)}`;
  }
  return text;
}

function list(value: readonly unknown[], indent: number): string {
  const pad = ' '.repeat(indent);
  return value
    .map((part) => `- ${isEmptyOrScalar(part) ? `${scalar(part, indent + 2)}\n` : block(part as object, indent + 2)}`)
    .join(pad);
}

function isEmptyOrScalar(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return true;
  return Array.isArray(value) ? value.length === 0 : Object.values(value).every((part) => part === undefined);
}

function scalar(value: unknown, column: number): string {
  switch (typeof value) {
    case 'string':
      return textScalar(value, column);
    case 'number':
      return numberScalar(value);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? '[]' : '{}';
    case 'undefined':
      return 'null';
    default:
      throw new SkeinError('INTERNAL', `a ${typeof value} cannot stand in YAML`);
  }
}

/** A text as PyYAML would write it, as long as it would not fold it: bare, else in single quotes, else in double quotes. */
function textScalar(text: string, column: number): string {
  if (/^[\x20-\x7e]*$/.test(text) && (!text.includes(' ') || column + text.length + 2 <= WIDTH)) {
    if (!NOT_BARE.test(text) && !RESOLVES.some((kind) => kind.test(text))) return text;
    return `'${text.replaceAll("'", "''")}'`;
  }
  return doubleQuoted(text);
}

/** PyYAML's short escapes. */
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\0': '\\0',
  '\u0007': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\u001B': '\\e',
  '\u0085': '\\N',
  '\u00A0': '\\_',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

function doubleQuoted(text: string): string {
  // By code point: a surrogate pair is one escape (PyYAML does not join two). A lone half cannot be read back: replaced.
  const body = text.toWellFormed().replaceAll(/["\\]|[^\x20-\x7e]/gu, (character) => {
    const short = ESCAPES[character];
    if (short !== undefined) return short;
    const code = character.codePointAt(0)!;
    if (code <= 0xff) return `\\x${hex(code, 2)}`;
    return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
  });
  return `"${body}"`;
}

const hex = (code: number, digits: number): string => code.toString(16).toUpperCase().padStart(digits, '0');

function numberScalar(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf';
  const text = String(value);
  // Without a point and a sign, a 1.1 reader takes an exponent for a text.
  return text.includes('e') ? text.replace(/^(-?\d+)e/, '$1.0e') : text;
}

const BASES: readonly (readonly [prefix: RegExp, base: number])[] = [
  [/^0b/, 2],
  [/^0x/i, 16],
  [/^0(?=.)/, 8],
];

function intFrom(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[-+]/, '').replaceAll('_', '');
  if (digits.includes(':')) return sign * sexagesimal(digits);
  for (const [prefix, base] of BASES)
    if (prefix.test(digits)) return sign * Number.parseInt(digits.replace(prefix, ''), base);
  return sign * Number(digits);
}

function floatFrom(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[-+]/, '').replaceAll('_', '');
  if (/^\.inf$/i.test(digits)) return sign * Number.POSITIVE_INFINITY;
  if (/^\.nan$/i.test(digits)) return Number.NaN;
  return sign * (digits.includes(':') ? sexagesimal(digits) : Number(digits));
}

const sexagesimal = (digits: string): number => digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);

const tag = (name: string, firsts: string, test: RegExp, read: (text: string) => unknown) =>
  defineScalarTag(`tag:yaml.org,2002:${name}`, {
    implicit: true,
    implicitFirstChars: Array.from(firsts),
    resolve: (text) => (test.test(text) ? read(text) : NOT_RESOLVED),
    identify: () => false,
  });
const NUMBER_FIRSTS = '-+0123456789.';
const PY_YAML = FAILSAFE_SCHEMA.withTags(
  defineScalarTag('tag:yaml.org,2002:null', {
    implicit: true,
    implicitFirstChars: ['', '~', 'n', 'N'],
    resolve: (text) => (NULL.test(text) ? null : NOT_RESOLVED),
    identify: () => false,
  }),
  tag('bool', 'yYnNtTfFoO', BOOL, (text) => /^(?:yes|true|on)$/i.test(text)),
  tag('int', NUMBER_FIRSTS, INT, intFrom),
  tag('float', NUMBER_FIRSTS, FLOAT, floatFrom),
);

/**
 * Documents parsed last, by their text. The tasks of a database come one after the other and read the same files, and
 * parsing is what such a task spends most of its time on.
 */
const recent = new Map<string, unknown>();
const MAX_RECENT = 64;

/**
 * The one document in `text`; the caller's to change. Dates stay texts.
 * @param where what is being read, for the error's text
 * @throws SkeinError CORRUPT naming `where`
 */
export function fromYaml(where: string, text: string): unknown {
  const known = recent.get(text);
  const document = known ?? parseYaml(where, text);
  if (known !== undefined) recent.delete(text);
  else if (recent.size >= MAX_RECENT) recent.delete(recent.keys().next().value ?? '');
  recent.set(text, document);
  return structuredClone(document);
}

function parseYaml(where: string, text: string): unknown {
  const refuse = (why: string, cause?: unknown): never => {
    throw new SkeinError('CORRUPT', `${where} is no YAML: ${why}`, { cause });
  };
  let documents: unknown[];
  try {
    // Of two equal keys the last one holds, as in PyYAML.
    documents = loadAll(text.replace(/^\uFEFF/, ''), { schema: PY_YAML, json: true });
  } catch (error) {
    return refuse(asError(error).message.split('\n', 1)[0] ?? '', error);
  }
  return documents.length > 1 ? refuse(`it holds ${documents.length} documents`) : (documents[0] ?? null);
}
