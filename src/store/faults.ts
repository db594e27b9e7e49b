/**
 * Faults around any store, for tests: what a bucket does on a bad day, by operation, name and count.
 *
 * Invariants: X1 a refused call did nothing. X2 a lost answer means that the store did its work. X3 a truncated read is
 * what a cut download is: fewer bytes than `sizeBytes` says; a truncated write is a cut upload, of which nothing stands.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { SkeinError } from '../kernel/errors.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import type { ObjectStore } from './port.ts';

export type StoreOperation = 'create' | 'replace' | 'read' | 'stat' | 'list' | 'remove';

export type Fault =
  /** STORE_UNAVAILABLE, nothing done. */
  | { readonly kind: 'refuse' }
  /** Done, later. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Done; the caller of a write gets OUTCOME_UNKNOWN, that of a read STORE_UNAVAILABLE. */
  | { readonly kind: 'lose-answer' }
  /** Never answers; CANCELLED when the call's signal fires. With `afterDoing` the work was done before. */
  | { readonly kind: 'hang'; readonly afterDoing?: boolean }
  /** A read loses its tail (at most `keepBytes` stay, default half); a write ends OUTCOME_UNKNOWN, undone. */
  | { readonly kind: 'truncate'; readonly keepBytes?: number };

/** A rule over operations `O` with faults `F`: a store's own, or those of whatever stands behind a store. */
export interface RuleOf<O extends string, F> {
  readonly fault: F;
  /** Default: every operation. */
  readonly on?: O | readonly O[];
  /** An object name or list prefix: text that it must begin with, or a pattern. Default: every name. */
  readonly name?: string | RegExp;
  /** How many matching calls go well before the first fault. Default 0. */
  readonly skip?: number;
  /** How many calls fail. Default: all. */
  readonly count?: number;
}

export type FaultRule = RuleOf<StoreOperation, Fault>;

/** The faults to come, and how often each one struck. Rules may be added and cleared while the store is in use. */
export class PlanOf<O extends string, F extends { readonly kind: string }> {
  #rules: { readonly rule: RuleOf<O, F>; seen: number; fired: number }[] = [];
  /** All faults that struck, oldest first: `create runs/r1/status.json refuse`. */
  readonly fired: string[] = [];

  constructor(...rules: readonly RuleOf<O, F>[]) {
    for (const rule of rules) this.add(rule);
  }

  add(rule: RuleOf<O, F>): this {
    this.#rules.push({ rule, seen: 0, fired: 0 });
    return this;
  }

  /** No faults from here on. */
  clear(): void {
    this.#rules = [];
  }

  /** The fault of this call, if the plan has one: that of the first rule that matches and is not used up. */
  next(operation: O, name: string): F | undefined {
    for (const entry of this.#rules) {
      const { on = operation, name: wanted = '', skip = 0, count = Infinity, fault } = entry.rule;
      const isOn = typeof on === 'string' ? on === operation : on.includes(operation);
      const isNamed = typeof wanted === 'string' ? name.startsWith(wanted) : wanted.test(name);
      if (!isOn || !isNamed || entry.fired >= count) continue;
      entry.seen += 1;
      if (entry.seen <= skip) continue;
      entry.fired += 1;
      this.fired.push(`${operation} ${name} ${fault.kind}`);
      return fault;
    }
    return undefined;
  }
}

/** The faults of a store itself, for `withFaults`. */
export class FaultPlan extends PlanOf<StoreOperation, Fault> {}

/** `store` with the faults of `plan`. Disposing of it disposes of `store`. */
export function withFaults(store: ObjectStore, plan: FaultPlan): ObjectStore {
  const through = <T>(
    operation: StoreOperation,
    name: string,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> => strike(plan.next(operation, name), operation, name, signal, work);
  return {
    url: store.url,
    create: (name, bytes, options) =>
      through('create', name, options?.signal, () => store.create(name, bytes, options)),
    replace: (name, bytes, generation, options) =>
      through('replace', name, options?.signal, () => store.replace(name, bytes, generation, options)),
    read: (name, options) => through('read', name, options?.signal, () => store.read(name, options)),
    stat: (name, options) => through('stat', name, options?.signal, () => store.stat(name, options)),
    list: (prefix, options) => through('list', prefix, options?.signal, () => store.list(prefix, options)),
    remove: (name, generation, options) =>
      through('remove', name, options?.signal, () => store.remove(name, generation, options)),
    checkWritable: () => store.checkWritable(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function strike<T>(
  fault: Fault | undefined,
  operation: StoreOperation,
  name: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const isWrite = operation === 'create' || operation === 'replace' || operation === 'remove';
  const where = `${operation} ${name}`;
  throwIfCancelled(signal, where);
  switch (fault?.kind) {
    case undefined:
      return work();
    case 'refuse':
      throw new SkeinError('STORE_UNAVAILABLE', `${where}: refused (injected)`);
    case 'delay':
      await delay(fault.delayMs);
      return work();
    case 'lose-answer':
      await work();
      throw lost(where, isWrite);
    case 'hang':
      if (fault.afterDoing) await work();
      await aborted(signal);
      throw new SkeinError('CANCELLED', `${where} was cancelled while it hung (injected)`, { cause: signal?.reason });
    case 'truncate':
      if (isWrite) throw lost(where, isWrite);
      return cut(await work(), fault.keepBytes);
  }
}

function lost(where: string, isWrite: boolean): SkeinError {
  return new SkeinError(isWrite ? 'OUTCOME_UNKNOWN' : 'STORE_UNAVAILABLE', `${where}: the answer was lost (injected)`);
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

function cut<T>(result: T, keepBytes: number | undefined): T {
  const bytes = (result as { bytes?: unknown } | undefined)?.bytes;
  if (!Buffer.isBuffer(bytes)) return result;
  return { ...result, bytes: bytes.subarray(0, keepBytes ?? Math.floor(bytes.length / 2)) };
}
