/** A node on a data dir, put together as its daemon does it. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { createLogger } from '../../src/kernel/log.ts';
import { LockKeeper } from '../../src/node/lock-keeper.ts';
import { Node } from '../../src/node/node.ts';
import { dataDirPlaces } from '../../src/node/places.ts';
import { Spool } from '../../src/node/spool.ts';
import type { ObjectStore } from '../../src/store/port.ts';
import type { Security } from '../../src/wire/security.ts';

export interface DataDirNode {
  readonly name: string;
  readonly dataDir: string;
  readonly address: string;
  readonly security: Security;
  readonly store: ObjectStore;
  readonly actors?: number;
  readonly minFreeBytes?: number;
  /** Of its spool. */
  readonly limitBytes?: number;
  /** JSON lines. */
  readonly logPath?: string;
}

export async function startDataDirNode(options: DataDirNode): Promise<Node> {
  const { name, dataDir, address, security, store, actors = 2, minFreeBytes = 0, limitBytes, logPath } = options;
  const bootId = randomUUID();
  const log = createLogger(logPath);
  return await Node.start({
    name,
    dataDirId: `dir-${name}`,
    bootId,
    address,
    security,
    actors,
    store,
    workDir: join(dataDir, 'work'),
    places: dataDirPlaces({ dataDir, store, locks: new LockKeeper() }),
    spool: await Spool.open({
      ...{ dir: join(dataDir, 'spool'), bootId, log, minFreeBytes },
      ...(limitBytes !== undefined && { limitBytes }),
    }),
    env: process.env,
    log,
    reconnect: true,
  });
}
