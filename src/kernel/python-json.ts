/**
 * JSON as Python's `json.dumps` writes it by default: the original's rows may hold `NaN`, `Infinity` and `-Infinity`, which
 * are no JSON. They are read as null, which is what a number that is none means to everybody after it.
 */
import { isSkeinError } from './errors.ts';
import { parseJson } from './json.ts';

/** A whole string, so that what stands inside one is passed over; or one of the three words. */
const STRING_OR_WORD = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/gs;

/** As `parseJson`, and with those words too. @throws SkeinError CORRUPT, naming `where` */
export function parsePythonJson(where: string, bytes: Uint8Array | string): unknown {
  try {
    return parseJson(where, bytes);
  } catch (error) {
    if (!isSkeinError(error, 'CORRUPT')) throw error;
    const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8');
    const mended = text.replaceAll(STRING_OR_WORD, (found) => (found.startsWith('"') ? found : 'null'));
    if (mended === text) throw error;
    return parseJson(where, mended);
  }
}
