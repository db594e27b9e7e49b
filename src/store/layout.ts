/**
 * Every object name of a run, built and parsed in one place (seed-system §1B, §1L; DESIGN rule 2).
 *
 * Not here: what a legal name is in general (`object-name.ts`), and what the objects hold.
 *
 * Invariants: L1 ids are validated, never hashed, so they appear as they are. L2 what a builder makes its parser
 * reads back; anything else is not that object and is ignored (B-02). L3 attempts compare as numbers.
 */
import { isName, isRunId, parseName, parseRunId } from '../kernel/ids.ts';
import { SkeinError } from '../kernel/errors.ts';
import { validateObjectName } from './object-name.ts';

export { safeJoin, validateObjectName } from './object-name.ts';

/** Under it lie all runs; the bucket's lifecycle rule matches it (B-05). */
export const RUNS_PREFIX = 'runs/';

/** What a run's setup can bring (S-01). */
export const SETUP_ARTIFACTS = ['slayer_models', 'slayer_otf_cache', 'slayer_models_otf'] as const;
export type SetupArtifact = (typeof SETUP_ARTIFACTS)[number];

/** Marker and side-car files (§1L). Each says "whole" and is therefore written last and taken away first. */
export const MARKERS = {
  /** Stage 1, in `<cache root>/<db>/`. */
  cacheFingerprint: '_cache_fp.txt',
  /** Stage 2, in `<reference root>/<db>/`. */
  referenceFingerprint: '_reference_fp.txt',
  /** A shard's `{path: mtime in float seconds}`, last but one (U-04). */
  sourceMtimes: '_source_mtimes.json',
  /** A shard's very last object (U-04). */
  uploadComplete: '_upload_complete',
  /** In a root that was filled by a required download (S-05). */
  downloadComplete: '.download_complete',
  /** In a root that was seeded by an optional download (S-06). */
  optionalSeedComplete: '.optional_seed_download_complete',
} as const;

/** The file of the lock over one reference, beside the database's folder and never deleted (S-09). */
export function buildLockName(database: string): string {
  return `${parseName('database', database)}.build.lock`;
}

/** The lease of the cluster's head: one daemon per bucket acts (DESIGN "Head life"). */
export const HEAD_LEASE_NAME = 'skein/head.json';

/** Who works on a run: a head daemon or an embedded one. */
export const runLeaseName = (runId: string): string => `${runPrefix(runId)}lease.json`;

/** Who may encode `database` for `encoding` (a digest of dataset content and encoder), cluster-wide (DESIGN rule 5). */
export function grantName(encoding: string, database: string): string {
  return `skein/grants/${parseName('encoding', encoding)}/${parseName('database', database)}.json`;
}

/** `datasets/<db>/<digest>/`: the files of one database of a dataset, `_upload_complete` last (V-05). */
export function datasetPrefix(database: string, digest: string): string {
  return `datasets/${parseName('database', database)}/${parseName('digest', digest)}/`;
}

/** The tasks file of a dataset. No database begins with `_`, so it meets none. */
export function datasetTasksName(digest: string): string {
  return `datasets/_tasks/${parseName('digest', digest)}.jsonl`;
}

/** An audited gold by its content. */
export function auditedGoldName(digest: string): string {
  return `datasets/_audited_gold/${parseName('digest', digest)}.jsonl`;
}

/** A user's own framework, bundled into one module and named by the SHA-256 of its bytes. */
export function frameworkName(digest: string): string {
  return `frameworks/${parseName('digest', digest)}.mjs`;
}

function attemptNumber(attempt: number): number {
  if (Number.isSafeInteger(attempt) && attempt >= 1) return attempt;
  throw new SkeinError('INVALID_INPUT', `attempt ${attempt} is no whole number from 1 up`);
}

/** `runs/<id>/` */
export function runPrefix(runId: string): string {
  return `${RUNS_PREFIX}${parseRunId('run id', runId)}/`;
}

export const manifestName = (runId: string): string => `${runPrefix(runId)}manifest.json`;

/** What the original's manifest lacks and ours need (`run/manifest.ts`). */
export const manifestSupplementName = (runId: string): string => `${runPrefix(runId)}skein_manifest.json`;

/** What became of a run's gold SQL under its audit (§3C). */
export const auditedGoldLogName = (runId: string): string => `${runPrefix(runId)}audited_gold_overlay.json`;

export const statusName = (runId: string): string => `${runPrefix(runId)}status.json`;

/** A run in a few lines, so that a list of runs reads neither manifests nor rows (P-39). */
export const runIndexName = (runId: string): string => `${runPrefix(runId)}index.json`;

/** Below it: why each attempt beyond the first exists, and which ids it is for (P-50). */
export const attemptsPrefix = (runId: string): string => `${runPrefix(runId)}attempts/`;

export function attemptRecordName(runId: string, attempt: number): string {
  return `${attemptsPrefix(runId)}${attemptNumber(attempt)}.json`;
}

export const rowsPrefix = (runId: string): string => `${runPrefix(runId)}rows/`;

/** `runs/<id>/rows/<iid>/`: all attempts of one task, with late and duplicate rows. */
export function taskRowsPrefix(runId: string, instanceId: string): string {
  return `${rowsPrefix(runId)}${parseName('instance id', instanceId)}/`;
}

/** The one row of (task, attempt). */
export function rowName(runId: string, instanceId: string, attempt: number): string {
  return `${taskRowsPrefix(runId, instanceId)}attempt-${attemptNumber(attempt)}.json`;
}

/** Where a real row goes that found a synthetic one in its place. */
export function lateRowName(runId: string, instanceId: string, attempt: number): string {
  return `${taskRowsPrefix(runId, instanceId)}attempt-${attemptNumber(attempt)}.late.json`;
}

/** Where a second real row of the same attempt goes; `duplicate` counts from 1. */
export function duplicateRowName(runId: string, instanceId: string, attempt: number, duplicate: number): string {
  const number = attemptNumber(attempt);
  return `${taskRowsPrefix(runId, instanceId)}attempt-${number}.dup-${attemptNumber(duplicate)}.json`;
}

/**
 * What the task that runs at the moment has said so far (V-02). It lies beside the rows, of whichever attempt: no reader of
 * rows takes it for one.
 */
export function partialTranscriptName(runId: string, instanceId: string): string {
  return `${taskRowsPrefix(runId, instanceId)}partial_transcript.jsonl`;
}

export const logsPrefix = (runId: string): string => `${runPrefix(runId)}logs/`;

export function logName(runId: string, instanceId: string, attempt: number): string {
  return `${logsPrefix(runId)}${parseName('instance id', instanceId)}/attempt-${attemptNumber(attempt)}.log`;
}

/** What an attempt that runs at the moment has printed so far; it goes when the log itself is there. */
export function partialLogName(runId: string, instanceId: string, attempt: number): string {
  return `${logsPrefix(runId)}${parseName('instance id', instanceId)}/attempt-${attemptNumber(attempt)}.partial.log`;
}

/** `runs/<id>/slayer_setup/<artifact>/`: per database below it (S-03). */
export function setupPrefix(runId: string, artifact: SetupArtifact): string {
  return `${runPrefix(runId)}slayer_setup/${artifact}/`;
}

export function setupDatabasePrefix(runId: string, artifact: SetupArtifact, database: string): string {
  return `${setupPrefix(runId, artifact)}${parseName('database', database)}/`;
}

/** The task's debug bundle (U-01). */
export function sessionPrefix(runId: string, instanceId: string, attempt: number): string {
  return `${runPrefix(runId)}sessions/${parseName('instance id', instanceId)}/attempt-${attemptNumber(attempt)}/`;
}

/** `runs/<id>/sessions/<iid>/`: the debug bundles of all attempts. */
export function sessionsPrefix(runId: string, instanceId: string): string {
  return `${runPrefix(runId)}sessions/${parseName('instance id', instanceId)}/`;
}

/** The encoder's own records of one database (U-02). No instance id begins with `_`, so the two never meet. */
export function setupSessionsPrefix(runId: string, database: string): string {
  return `${runPrefix(runId)}sessions/_setup_sessions/${parseName('database', database)}/`;
}

/** `runs/<id>/post_run/slayer_models_otf/`: `<shard>/<db>/` below it (U-03). */
export const shardsPrefix = (runId: string): string => `${runPrefix(runId)}post_run/slayer_models_otf/`;

export function shardDatabasePrefix(runId: string, shard: string, database: string): string {
  return `${shardsPrefix(runId)}${parseName('shard', shard)}/${parseName('database', database)}/`;
}

/** `<hostname>-<pid>-<actor>`: whose upload a shard is. What a host name may hold and a name may not becomes `-`. */
export function shardId(hostname: string, pid: number, actor: string | number): string {
  const host = hostname.replaceAll(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'host';
  return parseName('shard', `${host.slice(0, 63)}-${pid}-${actor}`);
}

/** A row object as its name tells it. */
export type RowName = TaskAttempt &
  ({ readonly kind: 'row' | 'late' } | { readonly kind: 'duplicate'; readonly duplicate: number });

export interface TaskAttempt {
  readonly runId: string;
  readonly instanceId: string;
  readonly attempt: number;
}

const NUMBER = '([1-9][0-9]{0,14})';
const ROW = new RegExp(`^runs/([^/]+)/rows/([^/]+)/attempt-${NUMBER}(?:\\.(late)|\\.dup-${NUMBER})?\\.json$`);
const ATTEMPT_RECORD = new RegExp(`^runs/([^/]+)/attempts/${NUMBER}\\.json$`);
const LOG = new RegExp(`^runs/([^/]+)/logs/([^/]+)/attempt-${NUMBER}\\.log$`);
const PARTIAL_LOG = new RegExp(`^runs/([^/]+)/logs/([^/]+)/attempt-${NUMBER}\\.partial\\.log$`);
const SESSION_FILE = new RegExp(`^runs/([^/]+)/sessions/([^/]+)/attempt-${NUMBER}/(.+)$`);
const SHARD_FILE = /^runs\/([^/]+)\/post_run\/slayer_models_otf\/([^/]+)\/([^/]+)\/(.+)$/;
const RUN = /^runs\/([^/]+)\//;

/** What row `name` is, or undefined if it is none: `attempt-01`, `attempt-1e3` and `attempt--1` are not (B-02). */
export function parseRowName(name: string): RowName | undefined {
  const [, runId = '', instanceId = '', attempt, late, duplicate] = ROW.exec(name) ?? [];
  if (!isRunId(runId) || !isName(instanceId)) return undefined;
  const row = { runId, instanceId, attempt: Number(attempt) };
  if (duplicate !== undefined) return { ...row, kind: 'duplicate', duplicate: Number(duplicate) };
  return { ...row, kind: late === undefined ? 'row' : 'late' };
}

/** The attempt that a record is of, or undefined if `name` is no record's. */
export function parseAttemptRecordName(name: string): { runId: string; attempt: number } | undefined {
  const [, runId = '', attempt] = ATTEMPT_RECORD.exec(name) ?? [];
  return isRunId(runId) ? { runId, attempt: Number(attempt) } : undefined;
}

/** By instance id, then attempt as a number (attempt 10 after 9), then the row before late before duplicates. */
export function compareRowNames(a: RowName, b: RowName): number {
  if (a.instanceId !== b.instanceId) return a.instanceId < b.instanceId ? -1 : 1;
  const rank = (row: RowName): number => (row.kind === 'duplicate' ? 1 + row.duplicate : row.kind === 'late' ? 1 : 0);
  return a.attempt - b.attempt || rank(a) - rank(b);
}

export function parseLogName(name: string): TaskAttempt | undefined {
  const [, runId = '', instanceId = '', attempt] = LOG.exec(name) ?? [];
  return isRunId(runId) && isName(instanceId) ? { runId, instanceId, attempt: Number(attempt) } : undefined;
}

export function parsePartialLogName(name: string): TaskAttempt | undefined {
  const [, runId = '', instanceId = '', attempt] = PARTIAL_LOG.exec(name) ?? [];
  return isRunId(runId) && isName(instanceId) ? { runId, instanceId, attempt: Number(attempt) } : undefined;
}

/** A file of a task's debug bundle: `path` is relative to the attempt's folder. */
export function parseSessionName(name: string): (TaskAttempt & { readonly path: string }) | undefined {
  const [, runId = '', instanceId = '', attempt, path = ''] = SESSION_FILE.exec(name) ?? [];
  return isRunId(runId) && isName(instanceId) ? { runId, instanceId, attempt: Number(attempt), path } : undefined;
}

/** A file of a shard: `path` is relative to the database's folder, markers included. */
export function parseShardName(
  name: string,
): { runId: string; shard: string; database: string; path: string } | undefined {
  const [, runId = '', shard = '', database = '', path = ''] = SHARD_FILE.exec(name) ?? [];
  if (!isRunId(runId) || !isName(shard) || !isName(database)) return undefined;
  return { runId, shard, database, path };
}

/** The run that an object or a listed prefix belongs to, or undefined. */
export function runIdOf(name: string): string | undefined {
  const runId = RUN.exec(name)?.[1];
  return runId !== undefined && isRunId(runId) ? runId : undefined;
}

/** `relative` below `prefix` as an object name, checked as a whole. */
export function nameBelow(prefix: string, relative: string): string {
  return validateObjectName(prefix + relative);
}
