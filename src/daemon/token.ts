/**
 * The token of a cluster: whoever has it may do everything. It lives in files of mode 0600 and in the memory of those who
 * read them; never in arguments, logs or errors.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { SkeinError, systemCode } from '../kernel/errors.ts';
import { writeFileDurable } from '../store/durable-file.ts';

const MIN_LENGTH = 16;

export const tokenPath = (dataDir: string): string => join(dataDir, 'token');

/**
 * The token of the head's data dir, made if there is none.
 * @param given the one it shall be; absent: the one that is there, or a new one
 * @throws SkeinError INVALID_INPUT for one that cannot be used, PREFLIGHT when another one than `given` is there
 */
export async function makeToken(dataDir: string, given?: string): Promise<string> {
  const path = tokenPath(dataDir);
  const made = given ?? randomBytes(32).toString('hex');
  await writeFileDurable(path, `${made}\n`, { exclusive: true, mode: 0o600 });
  const token = await readToken(path, path);
  if (given === undefined || token === given) return token;
  throw new SkeinError(
    'PREFLIGHT',
    `the token that was given is not the one in ${path}, which nodes and clients of this head may have: give that one or none, or remove the file`,
  );
}

/**
 * The token in a file; blanks around it do not count.
 * @param field what the path was given as, for the error's text
 * @throws SkeinError INVALID_INPUT: absent, unreadable, empty, too short to be one
 */
export async function readToken(path: string, field: string): Promise<string> {
  let text;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'that is a folder' : `cannot be read`;
    const hint = 'it holds the token of the head, which lies as `token` in the data dir of the head';
    throw new SkeinError('INVALID_INPUT', `${field}: ${JSON.stringify(path)}: ${why}; ${hint}`, {
      cause: error,
      fields: { field },
    });
  }
  return parseToken(text, `${field}: the file ${JSON.stringify(path)}`, field);
}

/** `text` as a token. The error's text never shows it. @throws SkeinError INVALID_INPUT */
export function parseToken(text: string, where: string, field: string): string {
  const token = text.trim();
  if (token.length >= MIN_LENGTH && /^[\x21-\x7e]+$/.test(token)) return token;
  const why = token === '' ? 'is empty' : 'holds no token: 16 or more printable characters without blanks';
  throw new SkeinError('INVALID_INPUT', `${where} ${why}`, { fields: { field } });
}
