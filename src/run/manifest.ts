/**
 * `runs/<id>/manifest.json`: what a run is, written once and never changed; every later command starts from it (L-16).
 *
 * Reading is tolerant: a field that an older writer did not know has its default, a field that this version does not
 * know is kept. Never in here: the values of secrets (W-13), progress (`status.ts`).
 *
 * Invariants: M1 the manifest is created, never replaced, so two submits of one id agree on one run. M2 ids in it are
 * legal names before anybody makes a path of them (P-44).
 */
import { z } from 'zod';

import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { isName } from '../kernel/ids.ts';
import { canonicalJson, jsonBytes, parseJson } from '../kernel/json.ts';
import { SECRET_NAME } from '../kernel/secrets.ts';
import { createOrConfirm, overwrite, readPatiently } from '../store/create-or-confirm.ts';
import { manifestName, manifestSupplementName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';

const name = z.string().refine(isName, 'is no legal name');

/** What is needed to start the run's machines again (L-08); for one machine only the counts mean something. */
const renderInputs = z.looseObject({
  workers: z.number().int().default(1),
  /** `--actors` of the embedded node. */
  actors_per_worker: z.number().int().default(1),
  worker_type: z.string().nullable().default(null),
  zone: z.string().nullable().default(null),
  worker_sa: z.string().nullable().default(null),
  /** How long a head works on the run before it stops it; 0 = as long as it takes. */
  max_runtime_hours: z.number().nonnegative().default(8),
  image_uri: z.string().nullable().default(null),
  project: z.string().nullable().default(null),
  region: z.string().nullable().default(null),
});

/** `frameworks/<digest>.mjs` of the store. */
const frameworkBundle = z.looseObject({
  /** SHA-256 of the bundle's bytes. */
  digest: z.string().regex(/^[0-9a-f]{64}$/, 'is no SHA-256 in hex'),
  /** The name of the user's file, without folders. */
  file: z.string(),
  /** Absolute, on the submitting machine: there it may have changed since. */
  path: z.string().default(''),
});

/** Names and defaults of `submit`'s flags in the seed (L-02), then ours. */
export const manifestSchema = z.looseObject({
  run_id: z.string(),
  framework: z.string().default('encode'),
  /** A name of §3B, or one of the original's later ones (`one-shot`): whoever starts tasks asks whether it can. */
  mode: z.string().default('a-interact'),
  query_mode: z.enum(['raw', 'slayer']).default('slayer'),
  agent_model: z.string().default(''),
  user_sim_model: z.string().default(''),
  /** In the user's order; what is handed out is sorted by (database, id) (L-15). */
  instance_ids: z.array(name).nonempty(),
  patience: z.number().int().default(3),
  strict: z.boolean().default(false),
  use_audited_gold_sql: z.boolean().default(false),
  /** Which audited gold (§3C), by its content, in the store; null = none, or the original's own, which no run of ours can have. */
  audited_gold: z.string().nullable().default(null),
  max_depth: z.number().int().default(3),
  prompt_cache: z.boolean().default(true),
  slayer_setup: z.enum(['pre-encoded', 'on-the-fly']).default('on-the-fly'),
  slayer_storage_root: z.string().default(''),
  render_inputs: renderInputs.prefault({}),
  /** Absolute paths on the submitting machine. */
  dataset_dir: z.string().default(''),
  cache_root: z.string().default(''),
  reference_root: z.string().default(''),
  encoder: z.string().default('rules'),
  /** The user's own framework, which lies in the store by its digest; null = `framework` is one of ours. */
  framework_bundle: frameworkBundle.nullable().default(null),
  /** `--framework-options`: what the user's own framework is told, as it was typed. Never a secret. */
  framework_options: z.record(z.string(), z.unknown()).default({}),
  sql_timeout_ms: z.number().default(30_000),
  grace_ms: z.number().default(10_000),
  /** 0 = never. */
  actor_block_timeout_ms: z.number().default(60_000),
  /** Between two snapshots of what a running task leaves in its scratch; 0 = none while it runs. */
  snapshot_every_ms: z.number().nonnegative().default(10_000),
  /** The database of each id; read it with `databaseOf`. */
  databases: z.record(name, name).default({}),
  created_at_ms: z.number().default(0),
  skein_version: z.string().default(''),
  /** How many times a task whose actor or node was lost is started again, as the next attempt; 0 = never (the seed's). */
  retry_lost: z.number().int().nonnegative().default(1),
  /** How long a node may be silent before its tasks count as lost; null = as the head was told. */
  lost_after_ms: z.number().nullable().default(null),
  /** Tasks that may be out at once over all nodes; 0 = no limit. */
  max_in_flight: z.number().int().nonnegative().default(0),
  /** Where the dataset lies in the store, content by content (V-05); null = only on the submitting machine. */
  dataset_content: z
    .looseObject({ tasks: z.string(), databases: z.record(name, z.string()) })
    .nullable()
    .default(null),
  /** What the run's actors find in their environment, by name; the values are nowhere but in memory (W-13). */
  secret_names: z.array(z.string().regex(SECRET_NAME, 'is no name of an environment variable')).max(1000).default([]),
  /** Fingerprint per database of the references that went up as the OPTIONAL seed (S-06). */
  seed: z.record(name, z.string()).default({}),
});

export type Manifest = z.infer<typeof manifestSchema>;
/** A manifest as a writer gives it: fields with a default may be left out. */
export type ManifestInput = z.input<typeof manifestSchema>;

/** `input` with its defaults filled in. @throws SkeinError INVALID_INPUT naming the field */
export function makeManifest(input: ManifestInput): Manifest {
  return checked('manifest', input, 'INVALID_INPUT');
}

/** The database of an id, `''` where the manifest does not say. */
export function databaseOf(manifest: Manifest, instanceId: string): string {
  return Object.hasOwn(manifest.databases, instanceId) ? (manifest.databases[instanceId] ?? '') : '';
}

/**
 * When the run was made, milliseconds since the epoch. The original's manifests do not say it, but its run ids begin with
 * the minute (L-14): `20260526t1008-…`, UTC. 0 where neither does.
 */
export function createdAtMs({ created_at_ms: createdMs, run_id: runId }: Manifest): number {
  if (createdMs > 0) return createdMs;
  const minted = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)-/.exec(runId);
  if (!minted) return 0;
  const [, year, month, day, hour, minute] = minted;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
  return Number.isNaN(ms) ? 0 : ms;
}

/** The databases of the run's tasks, sorted, each once. */
export function databasesOf(manifest: Manifest): string[] {
  return [...new Set(Object.values(manifest.databases))].sort();
}

/** How many tasks may run at once. */
export function actorsOf({ render_inputs }: Manifest): number {
  return render_inputs.workers * render_inputs.actors_per_worker;
}

/** @throws SkeinError CORRUPT naming `where` and the field */
export function parseManifest(where: string, bytes: Uint8Array | string): Manifest {
  return checked(where, parseJson(where, bytes), 'CORRUPT');
}

/** @throws SkeinError NOT_FOUND when there is no such run, CORRUPT when its manifest cannot be read */
export async function readManifest(store: ObjectStore, runId: string): Promise<Manifest> {
  const object = manifestName(runId);
  const stored = await readPatiently(store, object);
  if (!stored) {
    throw new SkeinError('NOT_FOUND', `run ${runId}: no such run in ${store.url} (skein list shows those there are)`, {
      fields: { run: runId },
    });
  }
  const manifest = parseManifest(object, stored.bytes);
  if (manifest.run_id !== runId) {
    throw new SkeinError('CORRUPT', `${object}: it is the manifest of run ${JSON.stringify(manifest.run_id)}`);
  }
  return isForeign(manifest) ? supplemented(store, manifest, parseJson(object, stored.bytes)) : manifest;
}

/** Whether the original wrote it: ours name the database of every id, its never do. */
export function isForeign({ databases }: Manifest): boolean {
  return Object.keys(databases).length === 0;
}

/** What a manifest of the original lacks for its run to go on here: `runs/<id>/skein_manifest.json`, made by the first resume. */
export type ManifestSupplement = Pick<
  ManifestInput,
  'databases' | 'dataset_dir' | 'cache_root' | 'reference_root' | 'encoder' | 'sql_timeout_ms' | 'skein_version'
>;

/**
 * Adds to the manifest of a run that the original left what it does not say; what it says stands. The manifest itself is
 * never touched (M1): the original still reads it. @returns the manifest as everybody reads it from now on
 */
export async function supplementManifest(
  store: ObjectStore,
  runId: string,
  supplement: ManifestSupplement,
): Promise<Manifest> {
  const object = manifestSupplementName(runId);
  const outcome = await createOrConfirm(store, object, jsonBytes(supplement, 2));
  if (outcome.kind === 'conflict') {
    await overwrite(store, object, jsonBytes(supplement, 2), { generation: outcome.standing.generation });
  }
  return readManifest(store, runId);
}

async function supplemented(store: ObjectStore, manifest: Manifest, said: unknown): Promise<Manifest> {
  const object = manifestSupplementName(manifest.run_id);
  const stored = await readPatiently(store, object);
  if (!stored) return manifest;
  return checked(object, { ...(parseJson(object, stored.bytes) as object), ...(said as object) }, 'CORRUPT');
}

/** A field in which two manifests differ, both values as short JSON. */
export interface ManifestDifference {
  readonly field: string;
  readonly stored: string;
  readonly asked: string;
}

/** What a run does not depend on: when and by whom it was made, how many work on it, how long a stop may take, whose keys it uses. */
const FREE_FIELDS: ReadonlySet<string> = new Set([
  'created_at_ms',
  'skein_version',
  'seed',
  'secret_names',
  'grace_ms',
  'actor_block_timeout_ms',
  'snapshot_every_ms',
  'retry_lost',
  'lost_after_ms',
  'max_in_flight',
  'render_inputs',
]);

/** Where `asked` is another run than `stored`. The order of the ids does not matter. */
export function manifestDifferences(stored: Manifest, asked: Manifest): ManifestDifference[] {
  const fields = new Set([...Object.keys(stored), ...Object.keys(asked)].filter((field) => !FREE_FIELDS.has(field)));
  return [...fields].sort().flatMap((field) => {
    const [a, b] = [comparable(field, stored[field]), comparable(field, asked[field])];
    return a === b ? [] : [{ field, stored: shortened(a), asked: shortened(b) }];
  });
}

/** Whether a submit of `asked` may attach to `stored`: equal in all that decides what the rows will say. */
export function sameManifest(stored: Manifest, asked: Manifest): boolean {
  return manifestDifferences(stored, asked).length === 0;
}

export type ManifestOutcome =
  | { readonly kind: 'created'; readonly manifest: Manifest }
  /** The run is there already and is the same one: go on with what is stored. */
  | { readonly kind: 'attached'; readonly manifest: Manifest }
  /** The id belongs to another run. */
  | { readonly kind: 'refused'; readonly manifest: Manifest; readonly differences: readonly ManifestDifference[] };

/** Writes the run's manifest, or says what stands there. */
export async function createManifest(store: ObjectStore, manifest: Manifest): Promise<ManifestOutcome> {
  const object = manifestName(manifest.run_id);
  const outcome = await createOrConfirm(store, object, jsonBytes(manifest, 2));
  if (outcome.kind !== 'conflict') return { kind: 'created', manifest };
  const stored = await readManifest(store, manifest.run_id);
  const differences = manifestDifferences(stored, manifest);
  return differences.length === 0
    ? { kind: 'attached', manifest: stored }
    : { kind: 'refused', manifest: stored, differences };
}

function checked(where: string, value: unknown, code: 'CORRUPT' | 'INVALID_INPUT'): Manifest {
  const result = manifestSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new SkeinError(code, `${where}: ${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'unreadable'}`, {
    cause: result.error,
  });
}

function comparable(field: string, value: unknown): string {
  if (value === undefined) return 'absent';
  // Where its file lay says nothing about it.
  if (field === 'framework_bundle') return (value as Manifest['framework_bundle'])?.digest ?? 'none';
  return canonicalJson(field === 'instance_ids' && Array.isArray(value) ? (value as string[]).toSorted() : value);
}

function shortened(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

/** Whether `error` says that a run's manifest is absent or unreadable: the run is then shown as such, not fatal. */
export function isManifestError(error: unknown): boolean {
  return isSkeinError(error, 'NOT_FOUND', 'CORRUPT');
}
