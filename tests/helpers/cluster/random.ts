/** Chance that a test can repeat: the same seed gives the same draws. Not for secrets. */
import { Random } from '../../../examples/mini-interact-generator/random.ts';

export class SeededRandom extends Random {
  /** A new list in another order. */
  shuffled<T>(values: readonly T[]): T[] {
    const out = [...values];
    for (let i = out.length - 1; i > 0; i -= 1) {
      const j = this.int(0, i);
      [out[i], out[j]] = [out[j] as T, out[i] as T];
    }
    return out;
  }
}

/** The seed of `SKEIN_SEED`, else a new one; either way it is to be printed. */
export function seedOfRun(): number {
  const asked = process.env['SKEIN_SEED'];
  return asked ? Number(asked) >>> 0 : Math.floor(Math.random() * 4_294_967_296);
}
