/** Rebuilds what a method threw: an error that is both the user's class and a RayTaskError. */
import { errorFromWire, type WireError } from '../kernel/errors.ts';
import { RayTaskError, type TaskErrorFields } from './errors.ts';

/** A class of errors, whatever its constructor takes. */
export type ErrorClass = abstract new (...args: never[]) => Error;

const BUILT_IN: Readonly<Record<string, ErrorClass>> = {
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
};

/** User error classes by name, as far as the caller knows them. */
export type ErrorClasses = ReadonlyMap<string, ErrorClass>;

/** The error classes among a module's exports. */
export function errorClassesOf(namespace: Readonly<Record<string, unknown>>): ErrorClasses {
  const found = new Map<string, ErrorClass>();
  for (const exported of Object.values(namespace)) {
    if (typeof exported === 'function' && (exported.prototype as unknown) instanceof Error) {
      found.set(exported.name, exported as unknown as ErrorClass);
    }
  }
  return found;
}

/** The original error with its class and the classes of its causes, where they are known. */
export function originalError(wire: WireError, classes?: ErrorClasses): Error {
  const error = errorFromWire(wire);
  for (let at: Error = error, of: WireError | undefined = wire; of; of = of.cause, at = at.cause as Error) {
    const name = of.className ?? of.name;
    const known = classes?.get(name) ?? BUILT_IN[name];
    if (known && Object.getPrototypeOf(at) === Error.prototype) Object.setPrototypeOf(at, known.prototype as object);
  }
  return error;
}

/** One prototype per class of original errors: between the class and the error, with the brand on it. */
const prototypes = new WeakMap<object, object>();
const TASK = Symbol.for('skein.rayTaskError');
const RAY = Symbol.for('skein.rayError');

function taskPrototype(original: Error): object {
  const parent = Object.getPrototypeOf(original) as object;
  let prototype = prototypes.get(parent);
  if (prototype === undefined) {
    const isPlain = parent === Error.prototype;
    const name = (parent.constructor as { name?: string } | undefined)?.name;
    prototype = Object.create(isPlain ? RayTaskError.prototype : parent, {
      [TASK]: { value: true },
      [RAY]: { value: true },
      name: { value: isPlain ? 'RayTaskError' : `RayTaskError(${name})`, writable: true, configurable: true },
    }) as object;
    prototypes.set(parent, prototype);
  }
  return prototype;
}

/** `original`, thrown in `fields.functionName`, as its caller sees it. */
export function taskError(original: Error, fields: TaskErrorFields): RayTaskError {
  const depth = Error.stackTraceLimit;
  // The stack that matters is the remote one; making one here would cost more than the call.
  Error.stackTraceLimit = 0;
  const error = new Error(`${fields.functionName} failed: ${original.message}`, { cause: original });
  Error.stackTraceLimit = depth;
  Object.assign(error, original);
  Object.setPrototypeOf(error, taskPrototype(original));
  delete (error as { name?: string }).name;
  if (fields.remoteStack !== undefined)
    error.stack = `${error.name}: ${error.message}\n  in its actor: ${fields.remoteStack}`;
  const { remoteStack, ...shown } = fields;
  Object.defineProperty(error, 'remoteStack', { value: remoteStack });
  return Object.assign(error as RayTaskError, shown);
}
