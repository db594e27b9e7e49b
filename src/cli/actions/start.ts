/** `skein start`: a head or a node in the foreground, until a signal or `skein stop` ends it in good order. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';

import { parseName } from '../../kernel/ids.ts';
import { isSkeinError, SkeinError } from '../../kernel/errors.ts';
import { checkBind, checkPort, isLoopback, publicAddress } from '../../daemon/bind.ts';
import { clusterOf, tlsOf, tokenOf } from '../cluster.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { leanMemoryOfHead } from '../lean-memory.ts';
import { connect, openHeadStore, refuseOtherPlace } from '../run-place.ts';
import * as shared from '../shared-flags.ts';
import { actorsOf, graceOf } from '../submission.ts';
import { parseCount, parseSeconds } from '../values.ts';

const DATA_DIRS = { head: './skein-data/head', node: './skein-data/node' } as const;
const OF_HEADS = ['host', 'port', 'store', 'lost-after', 'insecure'] as const;
const OF_NODES = ['actors', 'node-name', 'grace', 'spool-limit'] as const;
/** A smaller spool would be full of one row and its log. */
const MIN_SPOOL_BYTES = 1024 * 1024;

/** Does it, and stays. The exit code. @throws SkeinError */
export async function start(flags: Flags, context: CliContext): Promise<number> {
  const isHead = flags.has('head');
  const address = flags.get('address') ?? (isHead ? undefined : context.env['SKEIN_ADDRESS']);
  if (isHead && address !== undefined)
    throw refused('--head and --address are both given; a daemon is a head or a node');
  if (!isHead && !address) {
    throw refused('nothing to start: say --head for a head, or --address HOST:PORT for a node that joins one');
  }
  const others = isHead ? OF_NODES : OF_HEADS;
  const other = others.find((name) => flags.has(name) || flags.get(name) !== undefined);
  if (other !== undefined) throw refused(`--${other} is a flag of ${isHead ? 'nodes' : 'heads'} only`);
  return isHead ? await startHead(flags, context) : await startNode(flags, context);
}

async function startHead(flags: Flags, context: CliContext): Promise<number> {
  const host = flags.get('host') ?? '127.0.0.1';
  const port = parseCount('--port', flags.get('port') ?? '6380', { min: 0, max: 65_535 });
  const lostAfterMs = parseSeconds('--lost-after', flags.get('lost-after') ?? '300');
  const tls = await tlsOf(flags);
  checkBind(host, { isTls: tls !== undefined, isInsecure: flags.has('insecure') });
  const dataDir = resolve(flags.get('data-dir') ?? DATA_DIRS.head);
  // Not SKEIN_TOKEN_FILE: that is where others find the token, which may be the file that this head is about to make.
  const token = (await tokenOf(flags.without('data-dir'), { ...context, env: {} })) || undefined;
  await checkPort(host, port);
  // Loaded while the store is looked at.
  const loading = import('../../daemon/head-daemon.ts');
  await using store = await shared.storeOf(flags, context);
  await store.checkWritable();
  leanMemoryOfHead();
  const { startHeadDaemon } = await loading;
  const daemon = await startHeadDaemon({
    ...{ dataDir, store, host, port, tls, token, lostAfterMs },
    refusesUserCode: flags.has('no-user-code'),
    onLeaseLost: (by) => context.err.line(`skein: this head lost the store to ${by}; it hands out nothing any more`),
  }).catch((error: unknown) => {
    throw isSkeinError(error, 'UNAVAILABLE') ? new SkeinError('PREFLIGHT', error.message, { cause: error }) : error;
  });
  if (flags.has('json')) context.out.line(JSON.stringify({ ...daemon.ready, data_dir: daemon.dataDir }));
  else {
    const reachable = isLoopback(host) ? daemon.address : publicAddress(daemon.address);
    context.out.line(
      `head ready at ${daemon.address}: store ${store.url}, data dir ${daemon.dataDir}, token in ${daemon.tokenPath}; ` +
        `a node joins with: skein start --address ${reachable} --token-file ${daemon.tokenPath} --data-dir DIR`,
    );
  }
  await Promise.race([stopped(context), daemon.asked]);
  await daemon.stop();
  return OK;
}

async function startNode(flags: Flags, context: CliContext): Promise<number> {
  const typedName = flags.get('node-name');
  const name = typedName === undefined ? undefined : parseName('--node-name', typedName);
  const actors = actorsOf(flags) ?? availableParallelism();
  const graceMs = graceOf(flags) ?? 10_000;
  const spoolLimitBytes = spoolLimitOf(flags);
  const dataDir = resolve(flags.get('data-dir') ?? DATA_DIRS.node);
  const cluster = await clusterOf(flags.without('data-dir'), context);
  if (!cluster) throw refused('--address is missing');
  const { client, facts } = await connect(cluster, context);
  client[Symbol.dispose]();
  await using store = await openHeadStore(cluster.address, facts.storeUrl, context);
  await refuseOtherPlace(store, { address: cluster.address, facts });
  await store.checkWritable();
  const { startNodeDaemon } = await import('../../daemon/node-daemon.ts');
  const { address, security, connectTimeoutMs } = cluster;
  const place = { dataDir, address, security, connectTimeoutMs, store };
  const daemon = await startNodeDaemon({
    ...{ ...place, actors, name, spoolLimitBytes, env: context.env },
    refusesUserCode: flags.has('no-user-code'),
  });
  if (flags.has('json')) context.out.line(JSON.stringify({ ...daemon.ready, data_dir: daemon.dataDir }));
  else {
    context.out.line(
      `node ${daemon.name} ready: joined ${address}, store ${store.url}, ${actors} actors, data dir ${daemon.dataDir}`,
    );
  }
  context.stop.onDrain = () =>
    context.err.line(`skein: stopping: started tasks get ${graceMs / 1000} s; a second signal leaves at once`);
  const lost = await Promise.race([stopped(context), daemon.lost]);
  await daemon.stop(graceMs);
  if (lost !== undefined) throw lost;
  return OK;
}

function spoolLimitOf(flags: Flags): number | undefined {
  const typed = flags.get('spool-limit');
  if (typed === undefined) return undefined;
  return parseCount('--spool-limit', typed, { min: MIN_SPOOL_BYTES, max: 1e14 });
}

/** Resolves at the first signal. */
function stopped({ stop }: CliContext): Promise<undefined> {
  return new Promise((resolvePromise) => {
    if (stop.drain.aborted) resolvePromise(undefined);
    else stop.drain.addEventListener('abort', () => resolvePromise(undefined), { once: true });
  });
}

function refused(message: string): SkeinError {
  return new SkeinError('INVALID_INPUT', message);
}
