/**
 * JSON as Skein writes and reads it: stable bytes out, and errors that name the place in.
 */
import { asError, SkeinError } from './errors.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** `value` as UTF-8 JSON with a final newline, keys in the order given. */
export function jsonBytes(value: unknown, indent?: number): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, indent)}\n`);
}

/**
 * The JSON in `bytes`.
 * @param where what is being read: a path or object name, for the error's text
 * @throws SkeinError CORRUPT, naming `where`
 */
export function parseJson(where: string, bytes: Uint8Array | string): unknown {
  try {
    return JSON.parse(typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new SkeinError('CORRUPT', `${where} is no JSON: ${asError(error).message}`, { cause: error });
  }
}

/** `value` with the keys of every object sorted: two equal values give equal bytes. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : part,
  );
}
