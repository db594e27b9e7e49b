/**
 * Structured logs of daemons: one JSON line an event, a constant message, everything else in fields (pino). Silent
 * unless the assembler gives a destination; never a secret in a field.
 */
import pino from 'pino';

export type Logger = pino.Logger;

const OPTIONS = { base: null, timestamp: pino.stdTimeFunctions.isoTime };

/** A logger that writes JSON lines to `destination` (a path or a file descriptor), or nothing when there is none. */
export function createLogger(destination?: string | number, level = 'info'): Logger {
  if (destination === undefined) return pino({ level: 'silent' });
  return createLoggerOn(pino.destination({ dest: destination, mkdir: true, sync: true }), level);
}

/** A logger that hands its lines to `stream`. */
export function createLoggerOn(stream: pino.DestinationStream, level = 'info'): Logger {
  return pino({ level, ...OPTIONS }, stream);
}
