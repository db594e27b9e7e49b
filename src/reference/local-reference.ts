/**
 * The reference that stands in a root, as a merge or an upload looks at it: its files, marker, digest, and the identity
 * record beside it (`<root>/.skein/<db>.json`). Read whole and consistent: a reader without the lock looks at the marker
 * again afterwards and repeats if it changed (DESIGN rule 4, R-05).
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { SkeinError, systemCode } from '../kernel/errors.ts';
import { MARKERS } from '../store/layout.ts';
import { buildFacts, readIdentityRecord } from './build-facts.ts';
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

/** How often a reader looks again when the marker changes under it. */
const LOOKS = 5;

/** The marked reference of `database` under `root`, or undefined if there is none. */
export async function localReference(root: string, database: string): Promise<LocalReference | undefined> {
  const dir = join(root, database);
  for (let look = 0; look < LOOKS; look += 1) {
    const before = await markerStamp(dir);
    if (before === undefined) return undefined;
    const [files, identity] = await Promise.all([readFiles(dir), readIdentityRecord(root, database)]);
    if (files && (await markerStamp(dir)) === before) return describe(files, identity);
  }
  throw new SkeinError(
    'UNAVAILABLE',
    `${dir}: it keeps changing while it is read; another process builds or merges it`,
  );
}

function describe(files: ReadonlyMap<string, ReferenceFile>, identity: unknown): LocalReference | undefined {
  const marker = files.get(MARKERS.referenceFingerprint);
  if (!marker) return undefined;
  const facts = buildFacts(identity);
  return {
    fingerprint: marker.bytes.toString('utf8').trim(),
    order: {
      epoch: facts.epoch,
      runId: facts.runId,
      builtAtMs: facts.builtAtMs ?? marker.mtimeS * 1000,
      digest: contentDigest(new Map([...files].map(([path, { bytes }]) => [path, bytes]))),
    },
    files,
    identity,
    paidEncoder: facts.paidEncoder,
  };
}

/** Changes whenever a builder or a merge puts another marker there; undefined without one. */
async function markerStamp(dir: string): Promise<string | undefined> {
  const path = join(dir, MARKERS.referenceFingerprint);
  try {
    const [{ ino, mtimeNs }, text] = await Promise.all([stat(path, { bigint: true }), readFile(path, 'utf8')]);
    return `${ino}:${mtimeNs}:${text}`;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Every plain file below `dir`, or undefined when the tree changed meanwhile. */
async function readFiles(dir: string): Promise<Map<string, ReferenceFile> | undefined> {
  const files = new Map<string, ReferenceFile>();
  const visit = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(dir, relative), { withFileTypes: true })) {
      // Temps of builds and merges (U-07).
      if (entry.name.startsWith('.')) continue;
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) await visit(path);
      if (!entry.isFile()) continue;
      const [bytes, { mtimeMs }] = await Promise.all([readFile(join(dir, path)), stat(join(dir, path))]);
      files.set(path, { bytes, mtimeS: mtimeMs / 1000 });
    }
  };
  try {
    await visit('');
    return files;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
