/**
 * Where a diagnosis looks: the head, the store, this machine. Nothing here is asked for twice, and what one source does not
 * give another may.
 */
import { readReady } from '../../daemon/ready-file.ts';
import type { InspectResponse } from '../../gen/skein/v1/run.ts';
import { describeError, isSkeinError, SkeinError } from '../../kernel/errors.ts';
import { readManifest, type Manifest } from '../../run/manifest.ts';
import { readStatus, type RunStatus } from '../../run/status.ts';
import { openStore } from '../../store/open.ts';
import type { ObjectStore } from '../../store/port.ts';
import { clusterOf, type Cluster } from '../cluster.ts';
import type { CliContext } from '../context.ts';
import type { Flags } from '../flags.ts';
import { connect, type LiveHead } from '../run-place.ts';
import * as shared from '../shared-flags.ts';
import { SkippedSection } from './section.ts';

export interface Sources extends AsyncDisposable {
  readonly runId: string;
  readonly lines: number;
  /** Absolute, undefined if none was named. */
  readonly dataDir: string | undefined;
  /** The head's word; throws why there is none. */
  head(): Promise<LiveHead>;
  inspect(): Promise<InspectResponse>;
  store(): Promise<ObjectStore>;
  manifest(): Promise<Manifest>;
  status(): Promise<RunStatus | undefined>;
  /** Texts that may stand in no report: the tokens that this command knows. */
  readonly secrets: readonly string[];
}

export interface SourceOptions {
  readonly runId: string;
  readonly lines: number;
  readonly dataDir: string | undefined;
  readonly timeoutMs: number;
}

/** How much of a section's time the nodes get for their answer. */
const NODES_SHARE = 0.5;

/** Opens nothing that is not asked for. @throws SkeinError INVALID_INPUT for flags that cannot be meant */
export async function openSources(flags: Flags, context: CliContext, options: SourceOptions): Promise<Sources> {
  const { runId, lines, dataDir, timeoutMs } = options;
  const seconds = String(timeoutMs / 2000);
  const patient = flags.get('connect-timeout') === undefined ? flags.with('connect-timeout', seconds) : flags;
  let cluster: Cluster | undefined;
  let noCluster: Error = new SkippedSection('no head was named: --address, --data-dir or SKEIN_ADDRESS');
  try {
    cluster = await clusterOf(patient, context);
  } catch (error) {
    // A data dir whose daemon is dead or was stopped: the rest of it tells the more.
    if (!isSkeinError(error, 'NOT_FOUND', 'CORRUPT')) throw error;
    noCluster = error;
  }
  const head = once(async () => {
    if (!cluster) throw noCluster;
    return connect(cluster, context);
  });
  const store = once(() => storeOf(flags, context, dataDir, head));
  return {
    runId,
    lines,
    dataDir,
    secrets: [context.token, cluster?.security.token].flatMap((text) => (text ? [text] : [])),
    head,
    inspect: once(async () => {
      const { client } = await head();
      return client.inspect({ runId, logLines: lines, waitMs: Math.round(timeoutMs * NODES_SHARE) });
    }),
    store,
    manifest: once(async () => readManifest(await store(), runId)),
    status: once(async () => readStatus(await store(), runId)),
    [Symbol.asyncDispose]: async () => {
      // What was never asked for is not opened to be closed.
      await Promise.allSettled([
        head.begun?.then(({ client }) => client[Symbol.dispose]()),
        store.begun?.then((opened) => opened[Symbol.asyncDispose]()),
      ]);
    },
  };
}

interface Once<T> {
  (): Promise<T>;
  /** What was begun, undefined if nobody has asked. */
  begun: Promise<T> | undefined;
}

function once<T>(make: () => Promise<T>): Once<T> {
  const ask: Once<T> = Object.assign(
    () => {
      if (!ask.begun) {
        ask.begun = make();
        // Whoever asks hears of it; who never asked need not.
        ask.begun.catch(() => {});
      }
      return ask.begun;
    },
    { begun: undefined },
  );
  return ask;
}

/** The store that was named, else the head's, else the one that a dead daemon's last word names, else this folder's. */
async function storeOf(
  flags: Flags,
  context: CliContext,
  dataDir: string | undefined,
  head: () => Promise<LiveHead>,
): Promise<ObjectStore> {
  if (flags.get('store') !== undefined || context.env['SKEIN_STORE']) return shared.storeOf(flags, context);
  const live = await head().catch((error: unknown) => (error instanceof SkippedSection ? undefined : asReason(error)));
  const url = live === undefined ? undefined : 'facts' in live ? live.facts.storeUrl : await lastStoreUrl(dataDir);
  if (url) return openStore(url, 'the store of the head', shared.openOptions(context.env));
  if (live === undefined || 'facts' in live) return shared.storeOf(flags, context);
  throw new SkeinError('PREFLIGHT', `the head does not say where its store is (${live.reason}); name it: --store URL`);
}

const asReason = (error: unknown): { readonly reason: string } => ({ reason: describeError(error) });

async function lastStoreUrl(dataDir: string | undefined): Promise<string | undefined> {
  if (dataDir === undefined) return undefined;
  return (await readReady(dataDir).catch(() => undefined))?.store_url || undefined;
}
