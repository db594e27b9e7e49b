/**
 * A part of a diagnosis (V-04). Each has its own time and its own failure: what one of them meets never costs another.
 *
 * Invariants: D1 `runSection` never throws, but for a Ctrl-C, and ends within its time whatever hangs.
 */
import { describeError, isSkeinError } from '../../kernel/errors.ts';
import { withDeadline } from '../../kernel/retry.ts';

export interface Findings {
  /** For a person who reads the report. */
  readonly lines: readonly string[];
  /** What of it may be the reason that the run does not go on: also shown at the top. */
  readonly alerts?: readonly string[];
}

export interface Section {
  readonly name: string;
  /** @throws SkippedSection when there is nothing to look at */
  look(signal: AbortSignal): Promise<Findings>;
}

/** There was nothing to look at, and that is no failure. */
export class SkippedSection extends Error {}

export type SectionEnd = { readonly name: string; readonly elapsedS: number } & (
  | { readonly kind: 'ok'; readonly lines: readonly string[]; readonly alerts: readonly string[] }
  | { readonly kind: 'failed' | 'skipped'; readonly reason: string }
);

/** @throws SkeinError CANCELLED when `signal` fired */
export async function runSection(section: Section, timeoutMs: number, signal: AbortSignal): Promise<SectionEnd> {
  const { name } = section;
  const startMs = performance.now();
  const elapsedS = (): number => Math.round(performance.now() - startMs) / 1000;
  try {
    const { lines, alerts = [] } = await withDeadline(name, timeoutMs, signal, (inner) => section.look(inner));
    return { kind: 'ok', name, lines, alerts, elapsedS: elapsedS() };
  } catch (error) {
    if (signal.aborted && isSkeinError(error, 'CANCELLED')) throw error;
    if (error instanceof SkippedSection) return { kind: 'skipped', name, reason: error.message, elapsedS: elapsedS() };
    const reason =
      isSkeinError(error, 'DEADLINE') && error.message.startsWith(`${name} took`)
        ? `no answer within ${timeoutMs / 1000} s`
        : describeError(error);
    return { kind: 'failed', name, reason, elapsedS: elapsedS() };
  }
}

/** `ok`, `FAILED: why`, `SKIPPED: why`. */
export function endText(end: SectionEnd): string {
  return end.kind === 'ok' ? 'ok' : `${end.kind.toUpperCase()}: ${end.reason}`;
}
