/** What the file system's errors mean to a user of the store: which code, and a text that says what to do. */
import { asError, isSkeinError, SkeinError, systemCode } from '../kernel/errors.ts';

/** Codes that another try cannot mend. */
const LASTING = new Set(['EACCES', 'EPERM', 'EROFS', 'EXDEV', 'ENOTSUP']);

/** Codes that say that a name does not fit the file system or what lies there. */
const NAMING: Readonly<Record<string, string>> = {
  ENAMETOOLONG: 'a part of the name is longer than this file system allows',
  ENOTDIR: 'a part of its path is a file',
  EISDIR: 'a folder stands there',
  ELOOP: 'a symbolic link stands there, and links are never followed',
};

/**
 * `thrown` as a SkeinError: DISK_FULL, INVALID_INPUT for names, else STORE_UNAVAILABLE. `what` is what was being done
 * and where: `writing runs/r1/status.json to file:///data`.
 */
export function fileSystemError(what: string, thrown: unknown): SkeinError {
  if (isSkeinError(thrown)) return thrown;
  const code = systemCode(thrown) ?? '';
  const details = { cause: thrown, fields: { systemCode: code } };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SkeinError('DISK_FULL', `${what}: no space is left; nothing was stored. Free space and resume`, details);
  }
  const naming = NAMING[code];
  if (naming !== undefined) return new SkeinError('INVALID_INPUT', `${what}: ${naming}`, details);
  return new SkeinError('STORE_UNAVAILABLE', `${what}: ${asError(thrown).message}`, details);
}

/** Whether a STORE_UNAVAILABLE will stay so however often one tries: permissions, a read-only file system. */
export function isLasting(error: SkeinError): boolean {
  return LASTING.has(String(error.fields['systemCode'] ?? ''));
}
