/**
 * Stacks of a user's framework, in lines of the user's own files. The bundle's source map names them below a scheme of
 * our own, so what Node maps is told from everything else.
 */
import { asError } from '../../kernel/errors.ts';

/** Before every source's path in a bundle's map. */
export const USER_SCHEME = 'skein-user:';

const FRAME = new RegExp(`${USER_SCHEME}([^\\s()]+:\\d+:\\d+)`);
const MAX_CAUSES = 4;

/** `mine.ts:12:9`, the innermost line of the user's that `thrown` came through; undefined if there is none. */
export function userPlace(thrown: unknown): string | undefined {
  return FRAME.exec(asError(thrown).stack ?? '')?.[1];
}

/**
 * The stack of `thrown` and of its causes: messages, and of the frames those up to the last that is the user's. Below it
 * stands what called the framework, which is nobody's business but ours.
 */
export function userStack(thrown: unknown): string {
  const parts: string[] = [];
  for (let error: unknown = thrown; error !== undefined && parts.length < MAX_CAUSES;) {
    const { stack, message, cause } = asError(error);
    parts.push(shortened(stack ?? message));
    error = cause === error ? undefined : cause;
  }
  return parts.join('\ncaused by: ').replaceAll(USER_SCHEME, '');
}

function shortened(stack: string): string {
  const lines = stack.split('\n');
  const last = lines.findLastIndex((line) => line.includes(USER_SCHEME));
  return last === -1 ? stack : lines.slice(0, last + 1).join('\n');
}
