/**
 * The locks over references: one per (reference root, database) on a VM, shared by build, seed download and merge (S-09,
 * DESIGN rule 5). It lives in a daemon's or a command's main thread, which never runs user code; actors ask it through
 * `lockServices`.
 *
 * A lock is three things, taken in this order and let go in the reverse one: a turn in this process's queue, the kernel
 * lock `<root>/<db>.build.lock`, and proper-lockfile's directory beside it. The kernel lock excludes; the directory is
 * for whoever looks for one.
 *
 * Invariants: L1 turns in one process are first come, first served. L2 after a SIGKILL of a holder the next one waits
 * for a poll, not for the stale time. L3 a lock asked for by an actor is let go once that actor's thread is gone,
 * never before. L4 lock files are never deleted.
 */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { z } from 'zod';

import type { ActorService } from '../driver/runtime.ts';
import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { buildLockName } from '../store/layout.ts';
import { takeKernelLock, type KernelLock } from './kernel-lock.ts';
import { takeLockDirectory, type LockDirectory } from './lock-directory.ts';
import { describeHolder, readHolder } from './lock-holder.ts';
import { Turnstile } from './turnstile.ts';

export interface LockRequest {
  /** The reference root; made if it is absent. */
  readonly root: string;
  readonly database: string;
  /** For what, as others who wait are told: `run r1`, `fetch r1`. */
  readonly owner: string;
  /** Ends the waiting; a lock that is held already is not touched by it. */
  readonly signal?: AbortSignal | undefined;
  /** Told when the lock turns out to be another's: `pid 7 on vm-1 (run r1) since …`. */
  onWait?(holder: string): void;
}

export interface LockGrant {
  readonly token: string;
  /** Aborts when the lock was lost while it was held: whatever was made under it must not be committed. */
  readonly compromised: AbortSignal;
  /** @throws SkeinError STORE_CONFLICT if the lock was lost */
  verify(): void;
  /** Any number of times. */
  release(): Promise<void>;
}

export class LockKeeper implements AsyncDisposable {
  readonly #turnstiles = new Map<string, Turnstile>();
  readonly #held = new Map<string, { readonly grant: LockGrant; readonly root: string; readonly database: string }>();
  readonly #closing = new AbortController();

  /** Who holds what through this keeper. */
  get held(): readonly { readonly root: string; readonly database: string }[] {
    return [...this.#held.values()].map(({ root, database }) => ({ root, database }));
  }

  /** @throws SkeinError CANCELLED naming the holder, UNAVAILABLE | INVALID_INPUT | STORE_UNAVAILABLE when the lock's files cannot be used */
  async acquire(request: LockRequest): Promise<LockGrant> {
    const root = resolve(request.root);
    const path = join(root, buildLockName(request.database));
    const signal = AbortSignal.any([this.#closing.signal, ...(request.signal ? [request.signal] : [])]);
    const holderPath = join(root, '.skein', `.lock-${request.database}.json`);
    const turnstile = this.#turnstiles.get(path) ?? new Turnstile();
    this.#turnstiles.set(path, turnstile);
    // Nothing may be awaited before this: who asks first must stand first (L1).
    const leave = await turnstile.enter(signal, `waiting for the lock ${path}`);
    let kernel: KernelLock | undefined;
    try {
      await mkdir(join(root, '.skein'), { recursive: true }).catch((error: unknown) => {
        throw fileSystemError(`locking ${request.database} in ${root}`, error);
      });
      const onWait = (): void => request.onWait?.(holderText(holderPath));
      kernel = await takeKernelLock(path, { signal, onWait });
      const directory = await takeLockDirectory({ path, holderPath, owner: request.owner, signal, onWait });
      return this.#grant(root, request.database, kernel, directory, leave);
    } catch (error) {
      kernel?.release();
      leave();
      if (!isSkeinError(error, 'CANCELLED')) throw error;
      throw new SkeinError('CANCELLED', `${error.message}; held by ${holderText(holderPath)}`, { cause: error });
    }
  }

  /** Runs `work` under the lock. @throws as `acquire`, and what `work` throws */
  async hold<T>(request: LockRequest, work: (grant: LockGrant) => Promise<T>): Promise<T> {
    const grant = await this.acquire(request);
    try {
      return await work(grant);
    } finally {
      await grant.release();
    }
  }

  /** The grant of that token, if it is held. */
  find(token: string): LockGrant | undefined {
    return this.#held.get(token)?.grant;
  }

  /** Lets everything go; who waits is refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('the lock keeper is closed'));
    await Promise.all([...this.#held.values()].map(({ grant }) => grant.release()));
  }

  #grant(root: string, database: string, kernel: KernelLock, directory: LockDirectory, leave: () => void): LockGrant {
    const token = randomUUID();
    let released: Promise<void> | undefined;
    const grant: LockGrant = {
      token,
      compromised: directory.compromised,
      verify: () => {
        if (kernel.isWhole() && directory.isOurs()) return;
        throw new SkeinError(
          'STORE_CONFLICT',
          `the lock of ${database} in ${root} was lost while it was held; nothing was committed. Try again`,
        );
      },
      release: () =>
        (released ??= (async () => {
          try {
            await directory.release();
          } finally {
            kernel.release();
            this.#held.delete(token);
            leave();
          }
        })()),
    };
    this.#held.set(token, { grant, root, database });
    return grant;
  }
}

function holderText(holderPath: string): string {
  const holder = readHolder(holderPath);
  return holder ? describeHolder(holder) : 'a process that left no record';
}

const askSchema = z.object({ root: z.string(), database: z.string(), owner: z.string().default('an actor') });
const tokenSchema = z.object({ token: z.string() });

/**
 * What an actor may ask its daemon for: `locks.acquire {root, database, owner?}` → `{token}`, `locks.verify {token}` and
 * `locks.release {token}`. A grant ends with the thread of the actor that asked.
 * @param onWait told when an actor waits for another process
 */
export function lockServices(
  keeper: LockKeeper,
  onWait?: (wait: { readonly database: string; readonly holder: string }) => void,
): Record<string, ActorService> {
  const grantOf = (payload: unknown): LockGrant | undefined => keeper.find(tokenSchema.parse(payload).token);
  return {
    'locks.acquire': async (payload, death) => {
      const { root, database, owner } = askSchema.parse(payload);
      const told = onWait && { onWait: (holder: string) => onWait({ database, holder }) };
      const grant = await keeper.acquire({ root, database, owner, signal: death, ...told });
      const release = (): void => void grant.release();
      if (death.aborted) release();
      else death.addEventListener('abort', release, { once: true });
      return { token: grant.token };
    },
    'locks.verify': (payload) =>
      Promise.resolve().then(() => {
        const grant = grantOf(payload);
        if (!grant) throw new SkeinError('STORE_CONFLICT', 'the lock was let go before its work was committed');
        grant.verify();
      }),
    'locks.release': async (payload) => {
      await grantOf(payload)?.release();
    },
  };
}
