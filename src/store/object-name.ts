/**
 * Which texts may name an object, in every store alike, and how names compare and become paths.
 *
 * Not here: the names that Skein gives to things (`layout.ts`).
 *
 * Invariants: N1 a legal name joined to a root stays under that root. N2 what one store accepts another can mirror, so
 * the own folder of the directory store is reserved everywhere. N3 names are ordered by their UTF-8 bytes, as GCS does.
 */
import { isAbsolute, join, sep } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';

/** The one folder at a directory store's root that is the store's own: temps, the write lock. Never an object. */
export const OWN_FOLDER = '.skein-store';

/** GCS's limit, in UTF-8 bytes. */
export const MAX_NAME_BYTES = 1024;

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Why `name` may not name an object, or undefined if it may. */
export function objectNameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `it is longer than ${MAX_NAME_BYTES} bytes`;
  if (!name.isWellFormed()) return 'it is no well-formed Unicode';
  if (CONTROL.test(name)) return 'it holds a control character';
  for (const segment of name.split('/')) {
    if (segment === '') return "it has an empty part (a leading, trailing or double '/')";
    if (segment === '.' || segment === '..') return `it has a part ${JSON.stringify(segment)}`;
  }
  if (name.startsWith(OWN_FOLDER)) return `names that begin with ${OWN_FOLDER} belong to the store itself`;
  return undefined;
}

/**
 * `name` if it may name an object (seed-system B-03, P-44).
 * @throws SkeinError INVALID_INPUT that shows the name and the reason
 */
export function validateObjectName(name: string): string {
  const problem = objectNameProblem(name);
  if (problem === undefined) return name;
  throw new SkeinError('INVALID_INPUT', `object name ${JSON.stringify(name.slice(0, 200))} is refused: ${problem}`);
}

/**
 * `prefix` if names can begin with it: empty, whole parts (`runs/r1/`), or with a last part cut anywhere (`runs/r`).
 * @throws SkeinError INVALID_INPUT
 */
export function validatePrefix(prefix: string): string {
  const whole = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const problem = prefix === '' ? undefined : objectNameProblem(whole === prefix ? whole.slice(0, -1) : `${whole}x`);
  const unclean = CONTROL.test(prefix) ? 'it holds a control character' : problem;
  if (unclean === undefined) return prefix;
  throw new SkeinError('INVALID_INPUT', `object prefix ${JSON.stringify(prefix.slice(0, 200))} is refused: ${unclean}`);
}

/**
 * The path of `relative` (an object name, or the part of one below a prefix) under `root`.
 * @throws SkeinError INVALID_INPUT if `relative` would leave `root` or is no legal name
 */
export function safeJoin(root: string, relative: string): string {
  const path = join(root, validateObjectName(relative));
  const folder = root.endsWith(sep) ? root : root + sep;
  if (isAbsolute(relative) || !path.startsWith(join(folder))) {
    throw new SkeinError('INVALID_INPUT', `object name ${JSON.stringify(relative)} would leave ${root}`);
  }
  return path;
}

/** The order of names by their UTF-8 bytes; differs from `<` only where surrogate pairs meet U+E000 … U+FFFF. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  const shorter = Math.min(a.length, b.length);
  for (let index = 0; index < shorter; index += 1) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    const leftIsPair = left >= 0xd800 && left <= 0xdfff;
    const rightIsPair = right >= 0xd800 && right <= 0xdfff;
    if (leftIsPair !== rightIsPair && left >= 0xd800 && right >= 0xd800) return leftIsPair ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}
