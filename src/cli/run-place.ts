/**
 * Where a command finds its runs: the store, and the head that works on them if one was named. The head says where its
 * store is; everything but starting and stopping runs is done on the store itself.
 *
 * Invariant: P1 a store that was named beside a head is the head's, or the command ends before it does anything.
 */
import type { DescribeResponse } from '../gen/skein/v1/run.ts';
import { describeError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { throwIfCancelled } from '../kernel/retry.ts';
import { readLease } from '../run/lease.ts';
import { HEAD_LEASE_NAME } from '../store/layout.ts';
import { openStore } from '../store/open.ts';
import type { ObjectStore } from '../store/port.ts';
import type { HeadClient } from '../wire/head-client.ts';
import { clusterOf, type Cluster } from './cluster.ts';
import type { CliContext } from './context.ts';
import type { Flags } from './flags.ts';
import * as shared from './shared-flags.ts';

export interface RunPlace extends AsyncDisposable {
  readonly store: ObjectStore;
  readonly head: LiveHead | undefined;
}

export interface LiveHead {
  readonly client: HeadClient;
  readonly address: string;
  readonly facts: DescribeResponse;
  /** Whether what is said to it is encrypted on its way. */
  readonly isTls: boolean;
}

/**
 * The store and the head that the command line names. A head that cannot be reached is done without if a store was named
 * and `needsHead` is false.
 * @throws SkeinError INVALID_INPUT | PREFLIGHT (nobody answers, another store than the head's) | UNAUTHENTICATED
 */
export async function placeOf(flags: Flags, context: CliContext, needsHead = false): Promise<RunPlace> {
  const cluster = await clusterOf(flags, context);
  if (!cluster) return storeOnly(await shared.storeOf(flags, context));
  try {
    return await atHead(await connect(cluster, context), flags, context);
  } catch (error) {
    const isNamed = flags.get('store') !== undefined || Boolean(context.env['SKEIN_STORE']);
    if (needsHead || !isNamed || !isUnreachable(error)) throw error;
    context.err.line(`skein: ${describeError(error)}; going on with the store alone`);
    return storeOnly(await shared.storeOf(flags, context));
  }
}

/** Whether `error` says that nobody answered. */
export function isUnreachable(error: unknown): boolean {
  return isSkeinError(error) && error.fields['is'] === 'unreachable';
}

/** Dials until the head answers or the time is up. @throws SkeinError PREFLIGHT | UNAUTHENTICATED | CANCELLED */
export async function connect(cluster: Cluster, { stop }: CliContext): Promise<LiveHead> {
  const { HeadClient } = await import('../wire/head-client.ts');
  const { address, security, connectTimeoutMs, field } = cluster;
  const client = new HeadClient(address, security, { connectTimeoutMs });
  try {
    return {
      client,
      address,
      facts: await orCancelled(client.describe(), stop.drain),
      isTls: security.tls !== undefined,
    };
  } catch (error) {
    client[Symbol.dispose]();
    throw isSkeinError(error) && error.code !== 'CANCELLED' ? named(field, error) : error;
  }
}

/** A head that cannot be used, with the flag that named it; one that cannot be reached is no reason to try for ever. */
function named(field: string, cause: SkeinError): SkeinError {
  const isAway = cause.code === 'UNAVAILABLE' || cause.code === 'DEADLINE';
  return new SkeinError(isAway ? 'PREFLIGHT' : cause.code, `${field}: ${cause.message}`, {
    cause,
    fields: { field, ...(isAway && { is: 'unreachable' }) },
  });
}

/** What `work` comes to, unless `signal` fires first. */
async function orCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfCancelled(signal, 'connecting');
  const stopped = Promise.withResolvers<never>();
  const onAbort = (): void => stopped.reject(new SkeinError('CANCELLED', 'connecting was cancelled'));
  signal.addEventListener('abort', onAbort, { once: true });
  work.catch(() => {});
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function atHead(head: LiveHead, flags: Flags, context: CliContext): Promise<RunPlace> {
  const { client, address, facts } = head;
  let store: ObjectStore | undefined;
  try {
    store = await openHeadStore(address, facts.storeUrl, context);
    await refuseOtherStore(store, address, flags, context);
    await refuseOtherPlace(store, head);
    const opened = store;
    return {
      store,
      head,
      [Symbol.asyncDispose]: async () => {
        client[Symbol.dispose]();
        await opened[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    client[Symbol.dispose]();
    await store?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** @throws SkeinError PREFLIGHT when it cannot be used from this machine */
export async function openHeadStore(address: string, url: string, { env }: CliContext): Promise<ObjectStore> {
  try {
    return await openStore(url, `the store of the head at ${address}`, shared.openOptions(env));
  } catch (error) {
    if (!isSkeinError(error, 'STORE_UNAVAILABLE')) throw error;
    throw new SkeinError(
      'PREFLIGHT',
      `the store of the head at ${address} cannot be used from here: ${error.message}`,
      {
        cause: error,
      },
    );
  }
}

async function refuseOtherStore(store: ObjectStore, address: string, flags: Flags, context: CliContext): Promise<void> {
  const field = flags.get('store') === undefined ? 'SKEIN_STORE' : '--store';
  if (flags.get('store') === undefined && !context.env['SKEIN_STORE']) return;
  await using named = await shared.storeOf(flags, context);
  if (named.url === store.url) return;
  throw new SkeinError(
    'INVALID_INPUT',
    `${field}: ${JSON.stringify(named.url)} is not the store of the head at ${address}, which is ${JSON.stringify(store.url)}; leave ${field} away`,
    { fields: { field } },
  );
}

/** The same URL may be another folder here: the head's own lease must lie in it. */
export async function refuseOtherPlace(
  store: ObjectStore,
  { address, facts }: Pick<LiveHead, 'address' | 'facts'>,
): Promise<void> {
  if ((await readLease(store, HEAD_LEASE_NAME))?.head_id === facts.headId) return;
  throw new SkeinError(
    'PREFLIGHT',
    `the store of the head at ${address} is ${store.url}, and on this machine that is another place: it holds no lease of ` +
      'that head. Give the head a store that all machines reach',
  );
}

function storeOnly(store: ObjectStore): RunPlace {
  return { store, head: undefined, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}
