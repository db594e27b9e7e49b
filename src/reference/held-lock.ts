/** The lock over one database's reference as its holder sees it, wherever the lock itself is kept. */

export interface HeldLock {
  /** @throws SkeinError STORE_CONFLICT when it was lost: nothing may be committed any more */
  verify(): Promise<void>;
  /** Any number of times. */
  release(): Promise<void>;
}

export interface LockQuestion {
  readonly root: string;
  readonly database: string;
  /** For what, as others who wait are told. */
  readonly owner?: string;
}

/** A lock that the daemon of an actor keeps for it. @param ask the actor's own (`currentActor().ask`) */
export async function askForLock(
  ask: (service: string, payload: unknown) => Promise<unknown>,
  question: LockQuestion,
): Promise<HeldLock> {
  const { token } = (await ask('locks.acquire', question)) as { token: string };
  return {
    verify: async () => void (await ask('locks.verify', { token })),
    release: async () => void (await ask('locks.release', { token })),
  };
}
