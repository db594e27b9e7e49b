/**
 * The reference that stands in a root, as a merge or an upload looks at it: its files, marker, digest, and the identity
 * record beside it (`<root>/.skein/<db>.json`). Read whole and consistent: a reader without the lock looks at the marker
 * again afterwards and repeats if it changed (DESIGN rule 4, R-05).
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';

import { readWhole } from '../store/descriptor.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { MARKERS } from '../store/layout.ts';
import { buildFacts, lookAtRecord } from './build-facts.ts';
import { filesBelow, readMarked } from './marked-tree.ts';
import { contentDigest, type BuildOrder } from './shard-slice.ts';

export interface ReferenceFile {
  readonly bytes: Buffer;
  readonly mtimeS: number;
}

export interface LocalReference {
  readonly fingerprint: string;
  readonly order: BuildOrder;
  /** Time of the marker, in ms (M-04). */
  readonly markerMs: number;
  /** By relative path, marker included; nothing whose name begins with a dot. */
  readonly files: ReadonlyMap<string, ReferenceFile>;
  /** The record beside the reference as it stands there, undefined if there is none. */
  readonly identity: unknown;
  /** `<id>@<version>` of what made it, or UNKNOWN_ENCODER. */
  readonly encoder: string;
  /** Whether it was or may have been paid for: an unknown encoder may have cost something. */
  readonly isPaid: boolean;
  /** Why the record that stands there does not count, where one does. */
  readonly recordProblem: string | undefined;
}

/** What made a reference that no record speaks for: one of the original, or one whose record is damaged (DESIGN rule 6). */
export const UNKNOWN_ENCODER = 'unknown';

/** The marked reference of `database` under `root`, or undefined if there is none. @throws SkeinError UNAVAILABLE */
export async function localReference(root: string, database: string): Promise<LocalReference | undefined> {
  const dir = join(root, database);
  const found = await readMarked(dir, MARKERS.referenceFingerprint, async ({ text }) => {
    const [files, { identity, problem }] = await Promise.all([readFiles(dir), lookAtRecord(root, database)]);
    const { inputFp } = buildFacts(identity);
    // A record counts only while it names the fingerprint that the marker does.
    const isAnothers = inputFp !== undefined && inputFp !== text;
    if (!isAnothers) return describe(text, files, identity, problem);
    return describe(text, files, undefined, `the record of ${database} is of inputs ${inputFp}, and the marker is not`);
  }).catch((error: unknown) => {
    throw fileSystemError(`reading the reference ${dir}`, error);
  });
  return found?.value;
}

function describe(
  fingerprint: string,
  files: ReadonlyMap<string, ReferenceFile>,
  identity: unknown,
  recordProblem: string | undefined,
): LocalReference {
  const { epoch, runId, builtAtMs, encoder, paidEncoder } = buildFacts(identity);
  const markerMs = 1000 * (files.get(MARKERS.referenceFingerprint)?.mtimeS ?? 0);
  const digest = contentDigest(new Map([...files].map(([path, { bytes }]) => [path, bytes])));
  return {
    fingerprint,
    order: { epoch, runId, builtAtMs: builtAtMs ?? markerMs, digest },
    markerMs,
    files,
    identity,
    encoder: encoder ?? UNKNOWN_ENCODER,
    isPaid: encoder === undefined || paidEncoder !== undefined,
    recordProblem,
  };
}

async function readFiles(dir: string): Promise<Map<string, ReferenceFile>> {
  const files = new Map<string, ReferenceFile>();
  for (const path of filesBelow(dir)) {
    const { mtimeMs } = statSync(join(dir, path));
    const bytes = await readWhole(join(dir, path));
    files.set(path, { bytes, mtimeS: mtimeMs / 1000 });
  }
  return files;
}
