/**
 * The identity record beside a reference (`<root>/.skein/<db>.json`) as uploads and merges handle it: carried as it
 * is, read for the few facts that order and payment depend on. What else is in it is the builder's business.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { z } from 'zod';

import { systemCode } from '../kernel/errors.ts';
import { jsonBytes } from '../kernel/json.ts';
import { writeFileDurable } from '../store/durable-file.ts';

const record = z.looseObject({
  epoch: z.number().catch(0),
  run_id: z.string().catch(''),
  built_at_ms: z.number().optional().catch(undefined),
  encoder_id: z.string().catch(''),
  encoder_version: z.string().catch(''),
  is_paid: z.boolean().catch(false),
  input_fp: z.string().optional().catch(undefined),
  content_digest: z.string().min(1).optional().catch(undefined),
});

export interface BuildFacts {
  readonly epoch: number;
  readonly runId: string;
  readonly builtAtMs: number | undefined;
  /** `<id>@<version>` of an encoder that costs money, undefined for a free or unknown one. */
  readonly paidEncoder: string | undefined;
  /** `<id>@<version>`, undefined where the record does not say. */
  readonly encoder: string | undefined;
  /** The fingerprint of the marker that the record belongs to, where it says. */
  readonly inputFp: string | undefined;
  /** Of the content that the record belongs to, where it says. */
  readonly contentDigest: string | undefined;
}

/** What `identity` says; nothing of it is promised, so each fact has a default. */
export function buildFacts(identity: unknown): BuildFacts {
  const facts = record.safeParse(identity ?? {}).data;
  const encoder = facts?.encoder_id ? `${facts.encoder_id}@${facts.encoder_version}` : undefined;
  return {
    epoch: facts?.epoch ?? 0,
    runId: facts?.run_id ?? '',
    builtAtMs: facts?.built_at_ms,
    paidEncoder: facts?.is_paid ? encoder : undefined,
    encoder,
    inputFp: facts?.input_fp,
    contentDigest: facts?.content_digest,
  };
}

const recordPath = (root: string, database: string): string => join(root, '.skein', `${database}.json`);

/** The record as it stands, undefined if there is none or it cannot be read. */
export async function readIdentityRecord(root: string, database: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(recordPath(root, database), 'utf8'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Puts `identity` there, or takes away what stands there when there is none to put. */
export async function writeIdentityRecord(root: string, database: string, identity: unknown): Promise<void> {
  const path = recordPath(root, database);
  if (identity === undefined || identity === null) return rm(path, { force: true });
  await mkdir(dirname(path), { recursive: true });
  await writeFileDurable(path, jsonBytes(identity, 2));
}
