/**
 * The timing channel (V-24, P-47): what takes long says when it begins and how it ended, in the log of whoever waits for it.
 *
 *     [timing] reference.encode start
 *     [timing] reference.encode done (12.345 s)
 *     [timing] reference.encode error: no such model (0.120 s)
 */
import { asError } from './errors.ts';

/**
 * Runs `work` as a phase.
 * @param say takes the two lines
 * @param onEnd told how long it took, however it ended
 * @throws what `work` throws
 */
export async function timedPhase<T>(
  phase: string,
  say: (line: string) => void,
  work: () => Promise<T>,
  onEnd?: (elapsedMs: number) => void,
): Promise<T> {
  const startMs = performance.now();
  let end = 'done';
  say(`[timing] ${phase} start`);
  try {
    return await work();
  } catch (error) {
    end = `error: ${asError(error).message.split('\n', 1)[0]}`;
    throw error;
  } finally {
    const elapsedMs = performance.now() - startMs;
    onEnd?.(elapsedMs);
    say(`[timing] ${phase} ${end} (${(elapsedMs / 1000).toFixed(3)} s)`);
  }
}
