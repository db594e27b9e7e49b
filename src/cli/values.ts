/**
 * The values of flags, from the text that was typed. Each parser throws one SkeinError INVALID_INPUT that names the flag,
 * the value and what would be right.
 */
import { SkeinError } from '../kernel/errors.ts';

export function invalid(field: string, value: string, why: string): SkeinError {
  return new SkeinError('INVALID_INPUT', `${field}: ${JSON.stringify(value)} ${why}`, { fields: { field } });
}

/** A whole number from `min` to `max`. */
export function parseCount(field: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw invalid(field, text, `is no whole number from ${min} to ${max}`);
}

/** Longest duration that a timer takes. */
const MAX_MS = 2 ** 31 - 1;

/** Seconds, decimals allowed, as milliseconds. */
export function parseSeconds(field: string, text: string, minS = 0): number {
  const value = /^(?:\d{1,10}(?:\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minS && value * 1000 <= MAX_MS) return Math.round(value * 1000);
  throw invalid(field, text, `is no number of seconds from ${minS} to ${Math.floor(MAX_MS / 1000)}`);
}

export function parseMilliseconds(field: string, text: string): number {
  return parseCount(field, text, { min: 1, max: MAX_MS });
}

/** The longest run that `--max-runtime-hours` can ask for: what a timer takes. */
const MAX_HOURS = Math.floor(MAX_MS / 3_600_000);

/** Hours, decimals allowed, more than 0. */
export function parseHours(field: string, text: string): number {
  const value = /^(?:\d{1,5}(?:\.\d{0,9})?|\.\d{1,9})$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= MAX_HOURS) return value;
  throw invalid(field, text, `is no number of hours above 0 and up to ${MAX_HOURS}`);
}

/** The name of a model, `provider/name` or a bare name. It is shown everywhere, so nothing that looks like anything else. */
export function parseModel(field: string, text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$/.test(text) && !/\/\/|\/$/.test(text)) return text;
  throw invalid(field, text, 'is no name of a model, as provider/name: letters, digits, . _ : / @ + -, at most 200');
}
