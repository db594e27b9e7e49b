/**
 * The one error class of Skein and its closed set of codes.
 *
 * Not here: the Ray-shaped family that a caller of an actor sees (`src/driver/errors.ts`), and expected ends, which are
 * values, never exceptions.
 *
 * Invariants: E1 the text says what failed, where, and what to do next. E2 `cause` is kept, also across threads and
 * sockets. E3 a code decides the exit code and nothing else does.
 */

/** Every way in which Skein itself fails. */
export type ErrorCode =
  /** A flag, field or file that the user gave is wrong. Nothing was made. Exit 2. */
  | 'INVALID_INPUT'
  /** A check before the run failed: something the user must mend first. Nothing was made. Exit 2. */
  | 'PREFLIGHT'
  /** A named thing (run, object, database) is not there. Exit 2. */
  | 'NOT_FOUND'
  /** Somebody else's write stands where ours was meant to. */
  | 'STORE_CONFLICT'
  /** The store refused or could not be reached; worth another try. */
  | 'STORE_UNAVAILABLE'
  /** A write whose answer was lost: it may or may not have happened. */
  | 'OUTCOME_UNKNOWN'
  /** No space left. Never retried, never a truncated object. */
  | 'DISK_FULL'
  /** Bytes that are not what their name, digest or marker says. */
  | 'CORRUPT'
  /** A wait that ended by its deadline. */
  | 'DEADLINE'
  /** Someone asked to stop. */
  | 'CANCELLED'
  /** A head, node or actor that cannot be reached. */
  | 'UNAVAILABLE'
  /** A missing or wrong token. */
  | 'UNAUTHENTICATED'
  /** A run that ended without a row for every id. Exit 3. */
  | 'NOT_FINISHED'
  /** A promise between modules was broken: our bug. Exit 70. */
  | 'INTERNAL';

export interface ErrorDetails {
  readonly cause?: unknown;
  /** Ids that place the error: run, database, object, field … Never a secret. */
  readonly fields?: Readonly<Record<string, string | number>>;
}

export class SkeinError extends Error {
  override readonly name = 'SkeinError';
  readonly code: ErrorCode;
  readonly fields: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fields = details.fields ?? {};
  }
}

/** Whether `error` is a SkeinError, of one of `codes` when any are given. */
export function isSkeinError(error: unknown, ...codes: ErrorCode[]): error is SkeinError {
  return error instanceof SkeinError && (codes.length === 0 || codes.includes(error.code));
}

/** Any thrown thing as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}

/** The system's code (`ENOENT`, `EACCES` …) of a thrown thing, if it has one. */
export function systemCode(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** An error as plain data, for threads and sockets: structured clone keeps neither class nor code. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  /** The class of a user's error, where `name` does not say it. */
  readonly className?: string;
  readonly code?: string;
  readonly stack?: string;
  readonly fields?: Readonly<Record<string, string | number>>;
  /** Properties of its own that a user's error has, as far as they are primitives: `status: 404`. */
  readonly own?: Readonly<Record<string, unknown>>;
  readonly cause?: WireError;
}

/** How deep a chain of causes is carried. */
const MAX_CAUSES = 8;

export function errorToWire(thrown: unknown, depth = 0): WireError {
  const error = asError(thrown);
  const code = error instanceof SkeinError ? error.code : systemCode(error);
  const className = (error.constructor as { name?: string } | undefined)?.name ?? error.name;
  return {
    name: error.name,
    message: error.message,
    ...(className !== error.name && { className }),
    ...(code !== undefined && { code }),
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(error instanceof SkeinError ? { fields: error.fields } : ownOf(error)),
    ...(error.cause !== undefined && depth < MAX_CAUSES && { cause: errorToWire(error.cause, depth + 1) }),
  };
}

function ownOf(error: Error): { own?: Record<string, unknown> } {
  let own: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(error) as [string, unknown][]) {
    if (key === 'name' || key === 'code' || key === 'cause' || typeof value === 'symbol') continue;
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) (own ??= {})[key] = value;
  }
  return own ? { own } : {};
}

export function errorFromWire(wire: WireError): Error {
  const cause = wire.cause && errorFromWire(wire.cause);
  // The stack that counts is the one in `wire`: capturing one here would be most of the cost.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = wire.name === 'SkeinError' ? skeinError(wire, cause) : foreignError(wire, cause);
  Error.stackTraceLimit = stackTraceLimit;
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}

function skeinError({ code = 'INTERNAL', message, fields }: WireError, cause: Error | undefined): SkeinError {
  return new SkeinError(code as ErrorCode, message, { cause, ...(fields && { fields }) });
}

function foreignError({ name, message, code, own }: WireError, cause: Error | undefined): Error {
  const error = new Error(message, cause ? { cause } : undefined) as Error & { code?: string };
  if (own !== undefined) Object.assign(error, own);
  if (name !== 'Error') error.name = name;
  if (code !== undefined) error.code = code;
  return error;
}

/** One line for a person: the message and the messages of its causes that add something. */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  for (let error: unknown = thrown; error !== undefined && parts.length < MAX_CAUSES;) {
    const { message, cause } = asError(error);
    // What gRPC said has been put in words by whoever wraps it.
    if (parts.length > 0 && typeof (error as { details?: unknown }).details === 'string') break;
    const text = message.split('\n', 1)[0] ?? '';
    if (!parts.some((part) => part.includes(text))) parts.push(text);
    error = cause === error ? undefined : cause;
  }
  return parts.join(': ');
}
