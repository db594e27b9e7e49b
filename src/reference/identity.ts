/**
 * What a reference is the reference of: its inputs, its encoder and that encoder's version (DESIGN rule 6). The record of
 * it stands beside the reference, `<root>/.skein/<db>.json`; in the folder itself only the fingerprint of the inputs is,
 * as the marker.
 *
 * Invariant: a record counts only while it names the fingerprint that the marker does. It is written while the marker is
 * off, so a crash never leaves a marker with the record of another build.
 */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';
import { MARKERS } from '../store/layout.ts';
import { buildFacts, readIdentityRecord } from './build-facts.ts';
import type { Encoder } from './encoder.ts';
import { stage1Fingerprint } from './fingerprint.ts';
import { markerOf, type MarkerLook } from './marked-tree.ts';

export interface Identity {
  /** Of stage 1's inputs, the same on any machine. */
  readonly inputFingerprint: string;
  readonly encoderId: string;
  readonly encoderVersion: string;
}

/** `<root>/.skein/<db>.json`. The names are read by uploads and merges too (`build-facts.ts`). */
export interface IdentityRecord {
  readonly version: 1;
  readonly database: string;
  readonly input_fp: string;
  readonly encoder_id: string;
  readonly encoder_version: string;
  /** Whether the encode cost money: then it is never thrown away silently. */
  readonly is_paid: boolean;
  /** Over (path, bytes), without fingerprint files, side-cars and times: the same for the same reference anywhere. */
  readonly content_digest: string;
  readonly built_at_ms: number;
  /** Different for every build. */
  readonly build_id: string;
  /** Host, pid and version of Skein. */
  readonly builder: string;
  readonly epoch: number;
  readonly run_id: string;
}

/** What stands in a root for a database, in view of what is wanted. */
export type Assessment =
  | { readonly kind: 'absent' }
  /** A folder without marker: nobody's, wiped at the next commit. */
  | { readonly kind: 'scrap' }
  /** The very one that is wanted. */
  | { readonly kind: 'fresh'; readonly marker: MarkerLook }
  /** Another, which cost nothing: it is replaced. */
  | { readonly kind: 'stale'; readonly marker: MarkerLook; readonly found: Identity }
  /** Another, which was or may have been paid for: never touched. `found` is undefined where no record says whose it is. */
  | { readonly kind: 'kept'; readonly marker: MarkerLook; readonly found: Identity | undefined };

/** The identity that `encoder` would give the reference of `database` in the dataset at `datasetDir`. @throws SkeinError INVALID_INPUT */
export async function wantedIdentity(
  datasetDir: string,
  database: string,
  { id, version }: Pick<Encoder, 'id' | 'version'>,
): Promise<Identity> {
  const inputFingerprint = await stage1Fingerprint(datasetDir, database);
  return { inputFingerprint, encoderId: id, encoderVersion: version };
}

export async function assessReference(root: string, database: string, wanted: Identity): Promise<Assessment> {
  const dir = join(root, database);
  const marker = await markerOf(dir, MARKERS.referenceFingerprint);
  if (marker === undefined) {
    const entry = await lstat(dir).catch(() => undefined);
    return { kind: entry === undefined ? 'absent' : 'scrap' };
  }
  const record = (await readIdentityRecord(root, database)) as Partial<IdentityRecord> | undefined;
  if (!record || record.input_fp !== marker.text) return { kind: 'kept', marker, found: undefined };
  const found = {
    inputFingerprint: marker.text,
    encoderId: record.encoder_id ?? '',
    encoderVersion: record.encoder_version ?? '',
  };
  if (isSame(found, wanted)) return { kind: 'fresh', marker };
  return buildFacts(record).paidEncoder === undefined && record.is_paid === false
    ? { kind: 'stale', marker, found }
    : { kind: 'kept', marker, found };
}

function isSame(a: Identity, b: Identity): boolean {
  return (
    a.inputFingerprint === b.inputFingerprint && a.encoderId === b.encoderId && a.encoderVersion === b.encoderVersion
  );
}

const shown = ({ encoderId, encoderVersion, inputFingerprint }: Identity): string =>
  `encoder ${encoderId} ${encoderVersion} on inputs ${inputFingerprint}`;

/** Why a kept reference is not replaced, with both identities and the ways out. */
export function keptError(root: string, database: string, found: Identity | undefined, wanted: Identity): SkeinError {
  const dir = join(root, database);
  const theirs = found ? `made by ${shown(found)}` : `of unknown make (no record in ${join(root, '.skein')})`;
  const sameEncoder =
    found && found.encoderId !== wanted.encoderId ? `, or --encoder ${found.encoderId} to use it` : '';
  return new SkeinError(
    'PREFLIGHT',
    `--reference-root: ${dir} is ${theirs} and may have been paid for, but ${shown(wanted)} is asked for; ` +
      `nothing was touched. Give another --reference-root${sameEncoder}, or move ${dir} away to have it built anew`,
    { fields: { database } },
  );
}

/**
 * For preflights: what stands in `root` for each of `databases`; looks only.
 * @throws SkeinError PREFLIGHT for the first one that was paid for by another, INVALID_INPUT for a broken dataset
 */
export async function preflightReferences(options: {
  readonly root: string;
  readonly databases: readonly string[];
  readonly datasetDir: string;
  readonly encoder: Pick<Encoder, 'id' | 'version'>;
}): Promise<ReadonlyMap<string, Assessment>> {
  const { root, databases, datasetDir, encoder } = options;
  const assessments = new Map<string, Assessment>();
  for (const database of databases) {
    const wanted = await wantedIdentity(datasetDir, database, encoder);
    const assessment = await assessReference(root, database, wanted);
    if (assessment.kind === 'kept') throw keptError(root, database, assessment.found, wanted);
    assessments.set(database, assessment);
  }
  return assessments;
}
