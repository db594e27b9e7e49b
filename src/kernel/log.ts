/**
 * Structured logs of daemons: one JSON line an event, a constant message, everything else in fields (pino). Silent
 * unless the assembler gives a destination; never a secret in a field.
 */
import pino from 'pino';

export type Logger = pino.Logger;

/** A logger that writes JSON lines to `destination` (a path or a file descriptor), or nothing when there is none. */
export function createLogger(destination?: string | number, level = 'info'): Logger {
  if (destination === undefined) return pino({ level: 'silent' });
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: destination, mkdir: true, sync: true }),
  );
}
