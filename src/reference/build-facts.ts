/**
 * The identity record beside a reference (`<root>/.skein/<db>.json`) as uploads and merges handle it: carried as it
 * is, read for the few facts that order and payment depend on. What else is in it is the builder's business.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';

import { z } from 'zod';

import { asError, systemCode } from '../kernel/errors.ts';
import { jsonBytes } from '../kernel/json.ts';
import { VERSION } from '../kernel/version.ts';
import { writeFileDurable } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';

const record = z.looseObject({
  epoch: z.number().catch(0),
  run_id: z.string().catch(''),
  built_at_ms: z.number().optional().catch(undefined),
  encoder_id: z.string().catch(''),
  encoder_version: z.string().catch(''),
  // Only a plain `false` says that it cost nothing.
  is_paid: z.boolean().catch(true),
  input_fp: z.string().optional().catch(undefined),
  content_digest: z.string().min(1).optional().catch(undefined),
  builder: z.string().min(1).optional().catch(undefined),
  build_id: z.string().min(1).optional().catch(undefined),
});

export interface BuildFacts {
  readonly epoch: number;
  readonly runId: string;
  readonly builtAtMs: number | undefined;
  /** `<id>@<version>` of an encoder that costs money or may do so, undefined for a free or unknown one. */
  readonly paidEncoder: string | undefined;
  /** `<id>@<version>`, undefined where the record does not say. */
  readonly encoder: string | undefined;
  /** The fingerprint of the marker that the record belongs to, where it says. */
  readonly inputFp: string | undefined;
  /** Of the content that the record belongs to, where it says. */
  readonly contentDigest: string | undefined;
  /** Host, pid and version of what built it, where the record says. */
  readonly builder: string | undefined;
  /** Different for every build, where the record says. */
  readonly buildId: string | undefined;
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
    builder: facts?.builder,
    buildId: facts?.build_id,
  };
}

/** How what this process builds says who built it; its actors' threads say the same. */
export function thisBuilder(): string {
  return `skein ${VERSION} on ${hostname()}, pid ${process.pid}`;
}

/** Where the record of `database` stands. */
export const recordPath = (root: string, database: string): string => join(root, '.skein', `${database}.json`);

/** The record as it stands, undefined if there is none or it cannot be understood. @throws SkeinError STORE_UNAVAILABLE */
export async function readIdentityRecord(root: string, database: string): Promise<unknown> {
  return (await lookAtRecord(root, database)).identity;
}

/** The record, or why what stands in its place is none. */
export async function lookAtRecord(
  root: string,
  database: string,
): Promise<{ readonly identity: unknown; readonly problem?: string }> {
  const path = recordPath(root, database);
  try {
    return { identity: JSON.parse(await readFile(path, 'utf8')) as unknown };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { identity: undefined };
    if (error instanceof SyntaxError || systemCode(error) === 'EISDIR') {
      return { identity: undefined, problem: `${path} cannot be understood (${asError(error).message})` };
    }
    throw fileSystemError(`reading ${path}`, error);
  }
}

/** Puts `identity` there, or takes away what stands there when there is none to put. */
export async function writeIdentityRecord(root: string, database: string, identity: unknown): Promise<void> {
  const path = recordPath(root, database);
  if (identity === undefined || identity === null) return rm(path, { force: true });
  await mkdir(dirname(path), { recursive: true });
  await writeFileDurable(path, jsonBytes(identity, 2));
}
