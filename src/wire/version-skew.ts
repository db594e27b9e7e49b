/** Which versions of Skein may talk to each other: the same major one, and at most one minor apart. */
import { SkeinError } from '../kernel/errors.ts';
import { VERSION } from '../kernel/version.ts';

function majorMinor(version: string): readonly [number, number] | undefined {
  const match = /^(\d+)\.(\d+)\./.exec(version);
  return match ? [Number(match[1]), Number(match[2])] : undefined;
}

export function isCompatible(a: string, b: string): boolean {
  const [one, other] = [majorMinor(a), majorMinor(b)];
  if (!one || !other) return a === b;
  return one[0] === other[0] && Math.abs(one[1] - other[1]) <= 1;
}

/**
 * @param peer who the other side is, for the text: `node n1`, `head 10.0.0.1:6380`
 * @throws SkeinError PREFLIGHT that names both versions
 */
export function requireCompatible(peer: string, theirs: string, ours = VERSION): void {
  if (isCompatible(ours, theirs)) return;
  throw new SkeinError(
    'PREFLIGHT',
    `${peer} is of version ${theirs || '(unknown)'} and this side of version ${ours}: they cannot work together; install the same version on both`,
  );
}
