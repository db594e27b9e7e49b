/**
 * `ready.json` in a data dir: a daemon lives here and accepts work. Written last when it starts and removed first when it
 * ends; one that a killed daemon left is removed before its successor does anything. It says where the daemon is, never
 * a secret.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { SkeinError, systemCode } from '../kernel/errors.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import { writeFileDurable } from '../store/durable-file.ts';

const readySchema = z.looseObject({
  pid: z.number().int().positive(),
  /** Of the head: for a head, its own as clients of this machine dial it; for a node, the one that it joined. */
  address: z.string(),
  version: z.string(),
  /** New at every start. */
  boot_id: z.string(),
  kind: z.enum(['head', 'node']),
  /** Whether the head speaks TLS. */
  is_tls: z.boolean().default(false),
  store_url: z.string().default(''),
  /** The node's name. */
  node: z.string().optional(),
});

export type Ready = z.infer<typeof readySchema>;

export const readyPath = (dataDir: string): string => join(dataDir, 'ready.json');

export async function writeReady(dataDir: string, ready: Ready): Promise<void> {
  await writeFileDurable(readyPath(dataDir), jsonBytes(ready, 2), { mode: 0o600 });
}

export async function removeReady(dataDir: string): Promise<void> {
  await rm(readyPath(dataDir), { force: true });
}

/** What stands there, undefined if nothing does. Whether the daemon still lives is another question. @throws SkeinError CORRUPT */
export async function readReady(dataDir: string): Promise<Ready | undefined> {
  const path = readyPath(dataDir);
  let bytes;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw new SkeinError('PREFLIGHT', `${path} cannot be read`, { cause: error });
  }
  const parsed = readySchema.safeParse(parseJson(path, bytes));
  if (parsed.success) return parsed.data;
  throw new SkeinError('CORRUPT', `${path} is no ready file: ${parsed.error.issues[0]?.message ?? 'unreadable'}`);
}
