/** What an actor class looks like from outside: read where the class is at hand, in the caller and in the thread. */

export type AnyClass = new (...args: never[]) => object;

export interface ClassShape {
  /** Public methods along the prototype chain, own ones first; neither the constructor, accessors nor symbols. */
  readonly methods: readonly string[];
  /** Whether any of them is an `async` function: that makes the whole actor async (ray-compatibility 1.4). */
  readonly isAsync: boolean;
  /** Methods that are generators, which need a streaming call. */
  readonly generators: readonly string[];
}

/* Functions of another realm (vitest runs tests in one) have other constructors: compare tags, not identities. */
const tagOf = (fn: unknown): string => Object.prototype.toString.call(fn);

export function shapeOf(actorClass: AnyClass): ClassShape {
  const methods = new Set<string>();
  const generators: string[] = [];
  let isAsync = false;
  let prototype = actorClass.prototype as object | null;
  while (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (typeof value !== 'function' || name === 'constructor' || methods.has(name)) continue;
      methods.add(name);
      const tag = tagOf(value);
      if (tag === '[object AsyncFunction]' || tag === '[object AsyncGeneratorFunction]') isAsync = true;
      if (tag === '[object GeneratorFunction]' || tag === '[object AsyncGeneratorFunction]') generators.push(name);
    }
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return { methods: [...methods], isAsync, generators };
}

/** Whether `value` can be made with `new` as a class can. */
export function isClass(value: unknown): value is AnyClass {
  return typeof value === 'function' && /^class[\s{]/.test(Function.prototype.toString.call(value));
}
