/**
 * Values as they are at this moment. What crosses between actors is copied when it is handed over, not when its batch
 * leaves a tick later: changing an argument after the call, or state after a return, changes nothing that was sent.
 */

/**
 * A copy of `value` by structured clone; flat plain objects and arrays of primitives are copied by hand (ten times
 * cheaper, and most of what calls carry).
 * @throws DataCloneError for functions, symbols, handles and other things that cannot travel
 */
export function snapshot(value: unknown): unknown {
  if (value === null || typeof value !== 'object') {
    if (typeof value === 'function' || typeof value === 'symbol') return structuredClone(value);
    return value;
  }
  return copyFlat(value) ?? structuredClone(value);
}

const isPrimitive = (value: unknown): boolean =>
  value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol');

function copyFlat(value: object): object | undefined {
  if (Array.isArray(value)) {
    if (value.length > 64 || Object.getPrototypeOf(value) !== Array.prototype) return undefined;
    for (let index = 0; index < value.length; index += 1) {
      // A hole is not `undefined`: leave it to the real thing.
      if (!isPrimitive(value[index]) || !(index in value)) return undefined;
    }
    return value.slice();
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype) return undefined;
  const keys = Object.keys(value);
  if (keys.length > 32) return undefined;
  const source = value as Record<string, unknown>;
  const copy: Record<string, unknown> = {};
  for (const key of keys) {
    const part = source[key];
    if (key === '__proto__' || !isPrimitive(part)) return undefined;
    copy[key] = part;
  }
  return copy;
}
