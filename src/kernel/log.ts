/**
 * Structured logs of daemons: one JSON line an event, a constant message, everything else in fields (pino). Silent
 * unless the assembler gives a destination. A secret that got into a field is masked.
 */
import pino from 'pino';

import { masked } from './mask.ts';

export type Logger = pino.Logger;

/** Whatever is logged, and by whom: no line shows a secret that this thread knows. */
const OPTIONS = { base: null, timestamp: pino.stdTimeFunctions.isoTime, hooks: { streamWrite: masked } };

/** A logger that writes JSON lines to `destination` (a path or a file descriptor), or nothing when there is none. */
export function createLogger(destination?: string | number, level = 'info'): Logger {
  if (destination === undefined) return pino({ level: 'silent' });
  return createLoggerOn(pino.destination({ dest: destination, mkdir: true, sync: true }), level);
}

/** A logger that hands its lines to `stream`. */
export function createLoggerOn(stream: pino.DestinationStream, level = 'info'): Logger {
  return pino({ level, ...OPTIONS }, stream);
}
