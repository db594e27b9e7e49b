/**
 * `skein stop`: a daemon of this machine by SIGTERM, a head elsewhere by asking it. Waits until it is gone; one that is not
 * there any more is no mistake.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';

import { isTaken } from '../../daemon/data-dir.ts';
import { readReady, type Ready } from '../../daemon/ready-file.ts';
import { isSkeinError, SkeinError } from '../../kernel/errors.ts';
import { sleep } from '../../kernel/retry.ts';
import { clusterOf } from '../cluster.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { connect } from '../run-place.ts';
import { parseSeconds } from '../values.ts';

const LOOK_EVERY_MS = 50;
const HERE = './skein-data/head';

/** Does it. The exit code. @throws SkeinError */
export async function stop(flags: Flags, context: CliContext): Promise<number> {
  const timeoutMs = parseSeconds('--timeout', flags.get('timeout') ?? '60');
  const typedDir = flags.get('data-dir');
  const isByAddress = typedDir === undefined && (flags.get('address') ?? context.env['SKEIN_ADDRESS']) !== undefined;
  if (isByAddress) return await stopHead(flags, context, timeoutMs);
  return await stopDaemon(resolve(typedDir ?? HERE), context, timeoutMs);
}

async function stopHead(flags: Flags, context: CliContext, timeoutMs: number): Promise<number> {
  const cluster = await clusterOf(flags, context);
  if (!cluster) throw new SkeinError('INVALID_INPUT', '--address is missing: say --address HOST:PORT');
  const { client, address, facts } = await connect(cluster, context);
  client[Symbol.dispose]();
  const { HeadClient } = await import('../../wire/head-client.ts');
  // One that does not wait for a head that is gone.
  using asker = new HeadClient(address, cluster.security);
  await asker.shutdown(0).catch((error: unknown) => {
    // It may be gone before its answer is out.
    if (!isSkeinError(error, 'UNAVAILABLE')) throw error;
  });
  await until(timeoutMs, `the head at ${address}`, context, async () => {
    try {
      return (await asker.describe()).bootId !== facts.bootId;
    } catch (error) {
      if (isSkeinError(error, 'UNAVAILABLE', 'UNAUTHENTICATED')) return true;
      throw error;
    }
  });
  context.out.line(`head at ${address} stopped; its runs stay open`);
  return OK;
}

async function stopDaemon(dataDir: string, context: CliContext, timeoutMs: number): Promise<number> {
  if (!(await stat(dataDir).catch(() => undefined))?.isDirectory()) {
    throw new SkeinError('NOT_FOUND', `--data-dir: ${JSON.stringify(dataDir)}: there is no such folder`, {
      fields: { field: '--data-dir' },
    });
  }
  const ready = await readReady(dataDir);
  if (!(await isTaken(dataDir))) {
    context.out.line(`nothing runs on ${dataDir}`);
    return OK;
  }
  if (!ready) {
    throw new SkeinError(
      'PREFLIGHT',
      `--data-dir: ${JSON.stringify(dataDir)}: a daemon starts or ends there; try again`,
    );
  }
  signal(ready, dataDir);
  await until(
    timeoutMs,
    `the ${ready.kind} on ${dataDir} (pid ${ready.pid})`,
    context,
    async () => !(await isTaken(dataDir)),
  );
  context.out.line(
    ready.kind === 'head'
      ? `head on ${dataDir} stopped; its runs stay open`
      : `node ${ready.node} on ${dataDir} stopped`,
  );
  return OK;
}

function signal({ pid }: Ready, dataDir: string): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    throw new SkeinError(
      'PREFLIGHT',
      `--data-dir: ${JSON.stringify(dataDir)}: its daemon (pid ${pid}) cannot be signalled from here; stop it as its user, on its machine`,
      { cause: error, fields: { field: '--data-dir' } },
    );
  }
}

async function until(
  timeoutMs: number,
  what: string,
  context: CliContext,
  isGone: () => Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await isGone())) {
    if (performance.now() > endMs) {
      throw new SkeinError(
        'DEADLINE',
        `${what} still runs after ${timeoutMs / 1000} s; give it a longer --timeout, or kill it`,
      );
    }
    await sleep(LOOK_EVERY_MS, context.stop.drain);
  }
}
