/**
 * `--secrets-file`: a JSON object of names and values that only its owner can read (W-13).
 *
 * Invariant: F1 no error of this file shows anything of the content: not a value, not a piece of a line that is no JSON.
 */
import { open } from 'node:fs/promises';

import { SkeinError, systemCode } from '../kernel/errors.ts';
import { secretNameFault, Secrets } from '../kernel/secrets.ts';

const FLAG = '--secrets-file';
const MAX_BYTES = 1024 * 1024;

/** The secrets in the file at `path`; numbers and booleans count as texts. @throws SkeinError INVALID_INPUT */
export async function readSecretsFile(path: string): Promise<Secrets> {
  const refused = (why: string): SkeinError =>
    // Without the cause: what JSON.parse says quotes the text.
    new SkeinError('INVALID_INPUT', `${FLAG}: ${JSON.stringify(path)} ${why}`, { fields: { field: FLAG } });
  const text = await textOf(path, refused);
  const parsed = parsedOrUndefined(text);
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw refused('holds no JSON object of names and values: {"NAME": "value", …}');
  }
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    const fault = secretNameFault(name);
    // A value that slipped into the place of a name is not shown either.
    if (fault !== undefined) throw refused(`holds a name, the ${Object.keys(values).length + 1}. of it, that ${fault}`);
    if (!['string', 'number', 'boolean'].includes(typeof value)) throw refused(`: ${name} is no text and no number`);
    const plain = String(value);
    if (plain === '' || plain.includes('\0')) throw refused(`: ${name} is empty or holds a NUL`);
    values[name] = plain;
  }
  return new Secrets(values);
}

async function textOf(path: string, refused: (why: string) => SkeinError): Promise<string> {
  try {
    // The file that is looked at is the one that is read.
    await using file = await open(path, 'r');
    const info = await file.stat();
    if (!info.isFile()) throw refused('is no file');
    if ((info.mode & 0o077) !== 0) {
      const mode = (info.mode & 0o777).toString(8).padStart(4, '0');
      throw refused(`can be read by others (mode ${mode}); make it yours alone: chmod 600 ${path}`);
    }
    if (info.size > MAX_BYTES) throw refused(`is longer than ${MAX_BYTES} bytes`);
    return await file.readFile('utf8');
  } catch (error) {
    if (error instanceof SkeinError) throw error;
    const code = systemCode(error);
    throw refused(code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`);
  }
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
