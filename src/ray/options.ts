/**
 * Options of actors and of calls, checked when they are given. A key that is not known is refused with the list of those
 * that are; a key of Ray's that Skein does not offer yet is refused by name, never ignored.
 */
import type { RetryPolicy } from '../driver/pending-call.ts';
import { ValueError } from '../driver/errors.ts';

/** Options of an actor: `remote(Class, {…})` and `.options({…})`. */
export interface ActorClassOptions {
  /** Unique in its namespace; `getActor(name)` finds it. */
  name?: string;
  /** Default: that of `init`. */
  namespace?: string;
  /** Give the actor of that name when it exists; the constructor arguments are ignored then. */
  getIfExists?: boolean;
  /** How often it comes back after an unexpected death, with the original arguments; -1 or Infinity = for ever. Default 0. */
  maxRestarts?: number;
  /** How often a call is tried again after a death; -1 or Infinity = as long as the actor comes back. Default 0. */
  maxTaskRetries?: number;
  /** Calls at a time. Default 1, or 1000 for a class with an `async` method. */
  maxConcurrency?: number;
  /** Pending calls at a time; one more throws PendingCallsLimitExceeded. -1 or 0 = no limit. Default -1. */
  maxPendingCalls?: number;
  /** The class is async though no method of it says so: its `async` was compiled away. */
  asyncActor?: boolean;
  /** `envVars`: what its thread's environment holds beyond the usual. */
  runtimeEnv?: { envVars?: Record<string, string> };
  /** Seconds that its loop may stand still before it is killed; 0 = for ever. Default 60. */
  healthCheckTimeout?: number;
  /** Limit of its JavaScript heap in MiB; beyond it the actor dies of OOM. Default: Node's. */
  maxHeapMb?: number;
}

/** Options of a call: `handle.method.options({…})`. */
export interface MethodOptions {
  /** As for the actor. */
  maxTaskRetries?: number;
  /** Whether a throw of the method uses up a retry too: all, or those of the listed classes. Default false. */
  retryExceptions?: RetryPolicy['retryExceptions'];
}

type Check = (name: string, value: unknown) => void;

const fail = (name: string, value: unknown, want: string): never => {
  throw new ValueError(`${name}: ${typeof value === 'string' ? JSON.stringify(value) : String(value)} is no ${want}`);
};

const count =
  (least: number, want: string, mayBeInfinite = false): Check =>
  (name, value) => {
    const isCount = typeof value === 'number' && Number.isInteger(value) && value >= least;
    if (!isCount && !(mayBeInfinite && value === Infinity)) fail(name, value, want);
  };
const flag: Check = (name, value) => {
  if (typeof value !== 'boolean') fail(name, value, 'boolean');
};
const text: Check = (name, value) => {
  if (typeof value !== 'string') throw new TypeError(`${name}: a string is needed, not ${typeof value}`);
  if (value === '') throw new ValueError(`${name}: the empty string is no name`);
};
const retries = count(-1, 'whole number of at least -1 (-1 = for ever)', true);

const ACTOR: Record<keyof ActorClassOptions, Check> = {
  name: text,
  namespace: text,
  getIfExists: flag,
  maxRestarts: retries,
  maxTaskRetries: retries,
  maxConcurrency: count(1, 'whole number of at least 1'),
  maxPendingCalls: count(-1, 'whole number of at least -1 (-1 = no limit)', true),
  asyncActor: flag,
  runtimeEnv: checkRuntimeEnv,
  healthCheckTimeout(name, value) {
    if (typeof value !== 'number' || !(value >= 0) || value > 1e6) fail(name, value, 'number of seconds');
  },
  maxHeapMb: count(4, 'whole number of MiB, at least 4'),
};

const METHOD: Record<keyof MethodOptions, Check> = {
  maxTaskRetries: retries,
  retryExceptions(name, value) {
    const isClasses = Array.isArray(value) && value.every((entry) => typeof entry === 'function');
    if (typeof value !== 'boolean' && !isClasses) fail(name, value, 'boolean or list of error classes');
  },
};

/** Ray's, which a later version may offer. */
const NOT_OFFERED = new Set([
  'numCpus',
  'numGpus',
  'memory',
  'resources',
  'acceleratorType',
  'labelSelector',
  'fallbackStrategy',
  'lifetime',
  'concurrencyGroups',
  'concurrencyGroup',
  'allowOutOfOrderExecution',
  'schedulingStrategy',
  'enableTaskEvents',
  'numReturns',
  'generatorBackpressureNumObjects',
  'objectStoreMemory',
  'isolation',
  'replicas',
]);

/** @throws ValueError for a bad value, or a key that is not known (or TypeError, by `unknown`) */
function check(
  what: string,
  checks: Record<string, Check>,
  options: object,
  unknown: typeof ValueError | typeof TypeError,
): void {
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    const test = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (test) {
      if (value !== undefined) test(name, value);
      continue;
    }
    const valid = `valid ${what} options: ${Object.keys(checks).join(', ')}`;
    if (NOT_OFFERED.has(name))
      throw new unknown(`${name} is an option of Ray's that Skein does not offer yet; ${valid}`);
    throw new unknown(`${name} is no ${what} option; ${valid}`);
  }
}

/** @throws ValueError, TypeError for a name that is no string */
export function checkActorOptions(options: ActorClassOptions): void {
  check('actor', ACTOR, options, ValueError);
  if (options.getIfExists && options.name === undefined) {
    throw new ValueError('getIfExists: it needs a name, by which the actor can be found');
  }
}

/** @throws TypeError for an unknown key (as Ray does for methods), ValueError for a bad value */
export function checkMethodOptions(options: MethodOptions): void {
  check('method', METHOD, options, TypeError);
}

/** Infinity is -1 on the inside. */
export function finite(value: number | undefined): number | undefined {
  return value === Infinity ? -1 : value;
}

function checkRuntimeEnv(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${name}: an object is needed`);
  for (const key of Object.keys(value)) {
    if (key !== 'envVars') throw new ValueError(`${name}: ${key} is not offered; valid keys: envVars`);
  }
  const { envVars } = value as { envVars?: unknown };
  for (const [key, entry] of Object.entries(envVars ?? {})) {
    if (typeof entry !== 'string')
      throw new TypeError(`${name}.envVars.${key}: a string is needed, not ${typeof entry}`);
  }
}
