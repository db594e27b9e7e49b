/**
 * A node that runs on its own: its data dir, log and ready file around `src/node`. The head says where the store is.
 *
 * Invariant: N1 `ready.json` stands only after the head has welcomed the node; later cuts are the node's to mend.
 */
import { join } from 'node:path';
import { hostname } from 'node:os';

import { VERSION } from '../kernel/version.ts';
import { LockKeeper } from '../node/lock-keeper.ts';
import { Node } from '../node/node.ts';
import { dataDirPlaces } from '../node/places.ts';
import { Spool, SPOOL_LIMIT_BYTES } from '../node/spool.ts';
import type { ObjectStore } from '../store/port.ts';
import type { Security } from '../wire/security.ts';
import { DataDir } from './data-dir.ts';
import { writeReady, type Ready } from './ready-file.ts';
import { openDaemonLog, recentLines } from './rotating-log.ts';

export interface NodeDaemonOptions {
  readonly dataDir: string;
  /** Of the head. */
  readonly address: string;
  readonly security: Security;
  /** How long a head that does not answer is dialled before the node gives up; once it has joined it never does. */
  readonly connectTimeoutMs: number;
  readonly store: ObjectStore;
  /** Tasks at a time. */
  readonly actors: number;
  /** Of what is owed to the store; default `SPOOL_LIMIT_BYTES`. */
  readonly spoolLimitBytes?: number | undefined;
  /** Default: the host's name and a part of the data dir's id. */
  readonly name: string | undefined;
  /** Refuses runs that bring a framework of their own. Default false. */
  readonly refusesUserCode?: boolean;
  /** What actors may see of it is cut from this. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface NodeDaemon {
  readonly ready: Ready;
  readonly name: string;
  readonly dataDir: string;
  /** Resolves when the head will have nothing to do with this node any more, with the reason. */
  readonly lost: Promise<Error>;
  /** Gives back what has not started, gives `graceMs` to what has, ships all, and says goodbye. */
  stop(graceMs: number): Promise<void>;
}

/** @throws SkeinError PREFLIGHT (another daemon here, name taken) | UNAUTHENTICATED | UNAVAILABLE */
export async function startNodeDaemon(options: NodeDaemonOptions): Promise<NodeDaemon> {
  const { address, security, connectTimeoutMs, store, actors, env } = options;
  const dataDir = await DataDir.take(options.dataDir);
  try {
    const name = options.name ?? defaultName(dataDir.id);
    const log = openDaemonLog(join(dataDir.path, 'log')).child({ part: 'node', node: name, boot: dataDir.bootId });
    const lost = Promise.withResolvers<Error>();
    const { spoolLimitBytes: limitBytes = SPOOL_LIMIT_BYTES } = options;
    const spool = await Spool.open({ dir: join(dataDir.path, 'spool'), bootId: dataDir.bootId, log, limitBytes });
    const node = await Node.start({
      name,
      dataDirId: dataDir.id,
      bootId: dataDir.bootId,
      address,
      security,
      connectTimeoutMs,
      actors,
      store,
      workDir: join(dataDir.path, 'work'),
      places: dataDirPlaces({ dataDir: dataDir.path, store, locks: new LockKeeper() }),
      spool,
      env,
      log,
      reconnect: true,
      recentLog: (lines, bytes) => recentLines(join(dataDir.path, 'log'), lines, bytes),
      refusesUserCode: options.refusesUserCode === true,
      onHeadLost: lost.resolve,
    });
    const ready: Ready = {
      pid: process.pid,
      address,
      version: VERSION,
      boot_id: dataDir.bootId,
      kind: 'node',
      is_tls: security.tls !== undefined,
      store_url: store.url,
      node: name,
    };
    await writeReady(dataDir.path, ready);
    log.info({ address, store: store.url, actors, version: VERSION }, 'node ready');
    return {
      ready,
      name,
      dataDir: dataDir.path,
      lost: lost.promise,
      stop: async (graceMs) => {
        log.info({ graceMs }, 'node stopping');
        await node.drain(graceMs);
        await node[Symbol.asyncDispose]();
        await dataDir.release();
      },
    };
  } catch (error) {
    await dataDir.giveUp();
    throw error;
  }
}

/** The same at every start on this data dir, another on every other. */
function defaultName(dataDirId: string): string {
  const host =
    hostname()
      .replaceAll(/[^A-Za-z0-9.-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '') || 'node';
  return `${host.slice(0, 100)}-${dataDirId.slice(0, 6)}`;
}
