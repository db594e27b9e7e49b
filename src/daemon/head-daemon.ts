/**
 * A head that runs on its own: its data dir, token, log and ready file around `src/head`.
 *
 * Invariant: H1 `ready.json` stands only while the head answers; whatever fails before takes back what was made.
 */
import { Head } from '../head/head.ts';
import { VERSION } from '../kernel/version.ts';
import { describeHolder } from '../run/lease.ts';
import type { ObjectStore } from '../store/port.ts';
import type { TlsFiles } from '../wire/security.ts';
import { isLoopback, localAddress } from './bind.ts';
import { DataDir } from './data-dir.ts';
import { writeReady, type Ready } from './ready-file.ts';
import { openDaemonLog, recentLines } from './rotating-log.ts';
import { makeToken, tokenPath } from './token.ts';

export interface HeadDaemonOptions {
  readonly dataDir: string;
  readonly store: ObjectStore;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: TlsFiles | undefined;
  /** What nodes and clients must show; absent: that of the data dir. */
  readonly token?: string | undefined;
  /** How long a node may be silent before its tasks count as lost. */
  readonly lostAfterMs: number;
  /** Refuses runs that bring a framework of their own. Default false. */
  readonly refusesUserCode?: boolean;
  /** Another head took the store: this one lives on and hands out nothing. */
  onLeaseLost?(by: string): void;
}

export interface HeadDaemon {
  readonly ready: Ready;
  /** `host:port` it listens at. */
  readonly address: string;
  readonly dataDir: string;
  readonly tokenPath: string;
  /** Settles when somebody asked the head over the wire to end. */
  readonly asked: Promise<void>;
  /** Ends the head in good order; its runs stay open. */
  stop(): Promise<void>;
}

/** @throws SkeinError PREFLIGHT (another daemon here or on the store) | UNAVAILABLE (port in use) | INVALID_INPUT */
export async function startHeadDaemon(options: HeadDaemonOptions): Promise<HeadDaemon> {
  const { store, host, port, tls, lostAfterMs } = options;
  const dataDir = await DataDir.take(options.dataDir);
  try {
    const token = await makeToken(dataDir.path, options.token);
    const log = openDaemonLog(`${dataDir.path}/log`).child({ part: 'head', boot: dataDir.bootId });
    const asked = Promise.withResolvers<void>();
    const head = await Head.start({
      store,
      security: { token, ...(tls && { tls }) },
      log,
      host,
      port,
      kind: 'daemon',
      headId: dataDir.id,
      bootId: dataDir.bootId,
      lostAfterMs,
      recentLog: (lines) => recentLines(`${dataDir.path}/log`, lines),
      refusesUserCode: options.refusesUserCode === true,
      isPlainNetwork: tls === undefined && !isLoopback(host),
      onShutdown: () => asked.resolve(),
      onLeaseLost: (by) => options.onLeaseLost?.(by ? describeHolder(by) : 'somebody who removed its lease'),
    });
    const ready: Ready = {
      pid: process.pid,
      address: localAddress(head.address),
      version: VERSION,
      boot_id: dataDir.bootId,
      kind: 'head',
      is_tls: tls !== undefined,
      store_url: store.url,
    };
    await writeReady(dataDir.path, ready);
    log.info({ address: head.address, store: store.url, version: VERSION }, 'head ready');
    return {
      ready,
      address: head.address,
      dataDir: dataDir.path,
      tokenPath: tokenPath(dataDir.path),
      asked: asked.promise,
      stop: async () => {
        log.info('head stopping');
        await head[Symbol.asyncDispose]();
        await dataDir.release();
      },
    };
  } catch (error) {
    await dataDir.giveUp();
    throw error;
  }
}
