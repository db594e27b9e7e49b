/** The encoders by the names that `--encoder` takes. */
import { closest } from 'fastest-levenshtein';

import { SkeinError } from '../kernel/errors.ts';
import type { Encoder } from '../reference/encoder.ts';
import { rulesEncoder } from './rules-encoder.ts';

const ENCODERS: readonly Encoder[] = [rulesEncoder];

/** The encoder called `name`. @throws SkeinError INVALID_INPUT that names the value, the legal ones and the nearest */
export function encoderNamed(name: string): Encoder {
  const found = ENCODERS.find(({ id }) => id === name);
  if (found) return found;
  const ids = ENCODERS.map(({ id }) => id);
  throw new SkeinError(
    'INVALID_INPUT',
    `--encoder: ${JSON.stringify(name)} is none of ${ids.join(', ')}; did you mean ${closest(name, ids)}?`,
    { fields: { field: '--encoder' } },
  );
}
