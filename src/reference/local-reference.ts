/**
 * The reference that stands in a root, as a merge or an upload looks at it: its files, marker, digest, and the identity
 * record beside it (`<root>/.skein/<db>.json`). Read whole and consistent: a reader without the lock looks at the marker
 * again afterwards and repeats if it changed (DESIGN rule 4, R-05).
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';

import { readWhole } from '../store/descriptor.ts';
import { MARKERS } from '../store/layout.ts';
import { buildFacts, readIdentityRecord } from './build-facts.ts';
import { filesBelow, readMarked } from './marked-tree.ts';
import { contentDigest, type BuildOrder } from './shard-slice.ts';

export interface ReferenceFile {
  readonly bytes: Buffer;
  readonly mtimeS: number;
}

export interface LocalReference {
  readonly fingerprint: string;
  readonly order: BuildOrder;
  /** By relative path, marker included; nothing whose name begins with a dot. */
  readonly files: ReadonlyMap<string, ReferenceFile>;
  /** The record beside the reference as it stands there, undefined if there is none. */
  readonly identity: unknown;
  /** `<id>@<version>` of an encoder that costs money, undefined for a free or unknown one. */
  readonly paidEncoder: string | undefined;
}

/** The marked reference of `database` under `root`, or undefined if there is none. @throws SkeinError UNAVAILABLE */
export async function localReference(root: string, database: string): Promise<LocalReference | undefined> {
  const dir = join(root, database);
  const found = await readMarked(dir, MARKERS.referenceFingerprint, async ({ text }) => {
    const [files, record] = await Promise.all([readFiles(dir), readIdentityRecord(root, database)]);
    const { inputFp } = buildFacts(record);
    // A record counts only while it names the fingerprint that the marker does.
    return describe(text, files, inputFp === undefined || inputFp === text ? record : undefined);
  });
  return found?.value;
}

function describe(fingerprint: string, files: ReadonlyMap<string, ReferenceFile>, identity: unknown): LocalReference {
  const { epoch, runId, builtAtMs, paidEncoder } = buildFacts(identity);
  const markerMs = 1000 * (files.get(MARKERS.referenceFingerprint)?.mtimeS ?? 0);
  const digest = contentDigest(new Map([...files].map(([path, { bytes }]) => [path, bytes])));
  return {
    fingerprint,
    order: { epoch, runId, builtAtMs: builtAtMs ?? markerMs, digest },
    files,
    identity,
    paidEncoder,
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
