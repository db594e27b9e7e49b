/**
 * Cleans texts of the secrets that this thread knows: whatever leaves it for a log, a row or a terminal goes through here,
 * since what user code prints or throws is not ours to trust (W-13, DESIGN rule 10).
 *
 * What is found: the value as it is, as JSON and URLs write it, in hexadecimal, and in base64 at any place of a longer text.
 * What is not: a value that was changed, cut in pieces or encrypted, and one that is shorter than six characters, which would
 * make holes into everything.
 *
 * Invariants: M1 without a known secret a text is given back as it is, at no cost. M2 bytes that are no text come through
 * unchanged but for the secrets in them.
 */
import type { Secrets } from './secrets.ts';

const MIN_LENGTH = 6;
/** Pieces of base64 shorter than this are too likely to be something else. */
const MIN_BASE64 = 8;
/** Lines of a value of several lines are looked for by themselves from here on. */
const MIN_LINE = 16;

interface Known {
  readonly owners: Map<object, Secrets>;
  pattern: RegExp | undefined;
  names: ReadonlyMap<string, string>;
}

/** On `globalThis`, so that every copy of this module in the thread knows the same ones. */
const KEY = Symbol.for('skein.knownSecrets');

function known(): Known {
  const holder = globalThis as { [KEY]?: Known };
  return (holder[KEY] ??= { owners: new Map(), pattern: undefined, names: new Map() });
}

/** From now on `masked` finds these. Disposing forgets them, unless somebody else knows them too. */
export function knowSecrets(secrets: Secrets): Disposable {
  if (secrets.isEmpty) return { [Symbol.dispose]() {} };
  const owner = {};
  known().owners.set(owner, secrets);
  rebuild();
  return {
    [Symbol.dispose]() {
      if (known().owners.delete(owner)) rebuild();
    },
  };
}

/** `text` with `[secret NAME]` in the place of every secret that is known. */
export function masked(text: string): string {
  const { pattern, names } = known();
  return pattern === undefined ? text : text.replace(pattern, (found) => `[secret ${names.get(found)}]`);
}

/** As `masked`, for bytes: the very same ones if there is nothing to clean. */
export function maskedBytes<Bytes extends Uint8Array>(bytes: Bytes): Bytes | Buffer {
  const { pattern } = known();
  if (pattern === undefined || bytes.byteLength === 0) return bytes;
  // Each byte a character: nothing is lost on the way, and UTF-8 values were prepared the same way.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const clean = masked(text);
  return clean === text ? bytes : Buffer.from(clean, 'latin1');
}

/** As `masked`, for every text of plain data, names of fields included: the very same data if no secret is known. */
export function maskedData<Data>(data: Data): Data {
  return known().pattern === undefined ? data : (cleaned(data) as Data);
}

function cleaned(data: unknown): unknown {
  if (typeof data === 'string') return masked(data);
  if (Array.isArray(data)) return data.map(cleaned);
  if (data === null || typeof data !== 'object' || Object.getPrototypeOf(data) !== Object.prototype) return data;
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [masked(name), cleaned(value)]));
}

function rebuild(): void {
  const state = known();
  const names = new Map<string, string>();
  for (const secrets of state.owners.values()) {
    for (const [name, value] of Object.entries(secrets.reveal())) {
      for (const form of formsOf(value)) if (!names.has(form)) names.set(form, name);
    }
  }
  state.names = names;
  // The longest first: one value may be the begin of another.
  const forms = [...names.keys()].sort((a, b) => b.length - a.length);
  state.pattern = forms.length === 0 ? undefined : new RegExp(forms.map((form) => RegExp.escape(form)).join('|'), 'g');
}

/** How a value may stand in a text. */
function formsOf(value: string): Set<string> {
  const forms = new Set<string>();
  if (value.length < MIN_LENGTH) return forms;
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  const pieces = [value, ...(lines.length > 1 ? lines.filter((line) => line.length >= MIN_LINE) : [])];
  for (const piece of pieces) {
    const json = JSON.stringify(piece).slice(1, -1);
    const bytes = Buffer.from(piece, 'utf8');
    const plain = [piece, json, JSON.stringify(json).slice(1, -1), encodeURIComponent(piece)];
    for (const form of plain) forms.add(form).add(Buffer.from(form, 'utf8').toString('latin1'));
    forms.add(bytes.toString('hex')).add(bytes.toString('hex').toUpperCase());
    for (const form of base64Forms(bytes)) forms.add(form).add(form.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return forms;
}

/** What of the base64 of any text that holds `bytes` does not depend on what stands around them. */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const first = Math.ceil((before * 8) / 6);
    const end = Math.floor(((before + bytes.length) * 8) / 6);
    const inner = text.slice(first, end);
    return inner.length >= MIN_BASE64 ? [inner] : [];
  });
}
