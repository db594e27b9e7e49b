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
import { loadReference } from './load-reference.ts';
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
  /** Of a reference of unknown make: for which identity a person took it, `--accept-reference`. */
  readonly accepted?: {
    readonly input_fp: string;
    readonly encoder_id: string;
    readonly encoder_version: string;
    readonly at_ms: number;
  };
}

/** The encoder of a reference that no record says whose it is: the original's. It counts as paid for. */
export const UNKNOWN_ENCODER = 'unknown';

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
  if (isSame(found, wanted) || isAccepted(record, wanted)) return { kind: 'fresh', marker };
  return buildFacts(record).paidEncoder === undefined && record.is_paid === false
    ? { kind: 'stale', marker, found }
    : { kind: 'kept', marker, found };
}

function isSame(a: Identity, b: Identity): boolean {
  return (
    a.inputFingerprint === b.inputFingerprint && a.encoderId === b.encoderId && a.encoderVersion === b.encoderVersion
  );
}

function isAccepted({ accepted }: Partial<IdentityRecord>, wanted: Identity): boolean {
  if (!accepted) return false;
  const { input_fp: inputFingerprint, encoder_id: encoderId, encoder_version: encoderVersion } = accepted;
  return isSame({ inputFingerprint, encoderId, encoderVersion }, wanted);
}

const shown = ({ encoderId, encoderVersion, inputFingerprint }: Identity): string =>
  `encoder ${encoderId} ${encoderVersion} on inputs ${inputFingerprint}`;

/** Why a kept reference is not replaced, with both identities and the ways out. */
export function keptError(root: string, database: string, found: Identity | undefined, wanted: Identity): SkeinError {
  const dir = join(root, database);
  const isUnknown = found === undefined || found.encoderId === UNKNOWN_ENCODER;
  const theirs = isUnknown ? `of unknown make (encoder ${UNKNOWN_ENCODER})` : `made by ${shown(found)}`;
  const toUse = isUnknown
    ? ', or --accept-reference to use it as it is'
    : found.encoderId !== wanted.encoderId
      ? `, or --encoder ${found.encoderId} to use it`
      : '';
  return new SkeinError(
    'PREFLIGHT',
    `--reference-root: ${dir} is ${theirs} and may have been paid for, but ${shown(wanted)} is asked for; ` +
      `nothing was touched. Give another --reference-root${toUse}, or move ${dir} away to have it built anew`,
    { fields: { database } },
  );
}

/** A preflight of references: what stands for each database, and of which a person took one of unknown make. */
export interface ReferencePreflight {
  readonly found: ReadonlyMap<string, Assessment>;
  /** To be given to `acceptReference` once everything else is known to be right. */
  readonly toAccept: ReadonlyMap<string, Identity>;
}

/**
 * For preflights: what stands in `root` for each of `databases`; looks only.
 * @throws SkeinError PREFLIGHT for the first one that was paid for by another, INVALID_INPUT for a broken dataset
 */
export async function preflightReferences(options: ReferenceQuestion): Promise<ReferencePreflight['found']> {
  return (await preflightWithAcceptance({ ...options, acceptsUnknown: false })).found;
}

interface ReferenceQuestion {
  readonly root: string;
  readonly databases: readonly string[];
  readonly datasetDir: string;
  readonly encoder: Pick<Encoder, 'id' | 'version'>;
}

/**
 * As `preflightReferences`, where references of unknown make may be taken.
 * @throws SkeinError PREFLIGHT | INVALID_INPUT, and CORRUPT for one that was to be taken and is damaged
 */
export async function preflightWithAcceptance(
  options: ReferenceQuestion & { readonly acceptsUnknown: boolean },
): Promise<ReferencePreflight> {
  const { root, databases, datasetDir, encoder, acceptsUnknown } = options;
  const found = new Map<string, Assessment>();
  const toAccept = new Map<string, Identity>();
  for (const database of databases) {
    const wanted = await wantedIdentity(datasetDir, database, encoder);
    const assessment = await assessReference(root, database, wanted);
    found.set(database, assessment);
    if (assessment.kind !== 'kept') continue;
    const isUnknown = (assessment.found?.encoderId ?? UNKNOWN_ENCODER) === UNKNOWN_ENCODER;
    if (!acceptsUnknown || !isUnknown) throw keptError(root, database, assessment.found, wanted);
    await loadReference(join(root, database));
    toAccept.set(database, wanted);
  }
  return { found, toAccept };
}
