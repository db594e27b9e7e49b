/**
 * What a run offers for one database: the reference that a merge would put in place, made of the run's slices. Two ways:
 *
 * - `whole`, ours: one slice, the last by (epoch, build time, digest), so that any two machines choose the same (P-10).
 * - `per-file`, the original's (M-03): of each path the file with the latest source time over all complete slices. It
 *   assumes that all slices of a run are of one build; where they are not, it mixes them. For comparing with the original.
 *
 * Looks only; nothing here knows what stands locally.
 */
import { readWhole } from '../store/descriptor.ts';
import { MARKERS } from '../store/layout.ts';
import { buildFacts } from './build-facts.ts';
import { UNKNOWN_ENCODER } from './local-reference.ts';
import { contentDigest, type BuildOrder, type Slice, type SliceFile } from './shard-slice.ts';

export const MERGE_MODES = ['whole', 'per-file'] as const;
export type MergeMode = (typeof MERGE_MODES)[number];

export interface Candidate {
  readonly kind: 'candidate';
  /** The shard whose marker it has. */
  readonly shard: string;
  /** Every shard that gives a file, sorted. */
  readonly shards: readonly string[];
  readonly fingerprint: string;
  readonly order: BuildOrder;
  /** Time of the marker on the machine that built it, in ms (M-04). */
  readonly markerMs: number;
  readonly files: readonly SliceFile[];
  /** The identity record that speaks for all of it, undefined where there is none or several. */
  readonly identity: unknown;
  /** `<id>@<version>`, or UNKNOWN_ENCODER where no record speaks for all of it. */
  readonly encoder: string;
}

export type Offer =
  | Candidate
  /** Complete slices, none of which has the reference's marker: nothing to be trusted (M-05). */
  | { readonly kind: 'no-marker'; readonly shard: string; readonly files: number }
  /** No complete slice. */
  | { readonly kind: 'none'; readonly reason: string };

type Complete = Extract<Slice, { kind: 'whole' | 'unmarked' }>;
type Whole = Extract<Slice, { kind: 'whole' }>;

const MARKER = MARKERS.referenceFingerprint;

/** What `slices`, those of one database, offer. @throws the system's error where a file cannot be read */
export async function offerOf(slices: readonly Slice[], mode: MergeMode): Promise<Offer> {
  const complete = slices.filter((slice): slice is Complete => slice.kind === 'whole' || slice.kind === 'unmarked');
  const [first] = complete;
  if (!first) {
    const refused = slices.find((slice) => slice.kind === 'refused');
    return { kind: 'none', reason: refused?.reason ?? 'no complete shard slice (incomplete upload)' };
  }
  if (mode === 'per-file') return latestFiles(complete);
  const whole = complete.filter((slice): slice is Whole => slice.kind === 'whole');
  const best = whole.sort((a, b) => compareOrder(b.order, a.order))[0];
  if (!best) return { kind: 'no-marker', shard: first.shard, files: first.files.length };
  const { shard, fingerprint, order, files, record } = best;
  return candidate({ shard, shards: [shard], fingerprint, order, files, identity: record?.identity });
}

async function latestFiles(slices: readonly Complete[]): Promise<Offer> {
  const picks = new Map<string, { readonly file: SliceFile; readonly slice: Complete }>();
  for (const slice of slices) {
    for (const file of slice.files) {
      const standing = picks.get(file.path);
      if (!standing || file.mtimeS > standing.file.mtimeS) picks.set(file.path, { file, slice });
    }
  }
  const marker = picks.get(MARKER);
  if (!marker) return { kind: 'no-marker', shard: slices[0]?.shard ?? '', files: picks.size };
  const files = [...picks.values()].map(({ file }) => file);
  const contents = new Map<string, Buffer>();
  for (const { path, source } of files) contents.set(path, await readWhole(source));
  const givers = new Set([...picks.values()].map(({ slice }) => slice));
  return candidate({
    shard: marker.slice.shard,
    shards: [...givers].map(({ shard }) => shard).sort(),
    fingerprint: contents.get(MARKER)?.toString('utf8').trim() ?? '',
    order: {
      epoch: marker.slice.record?.epoch ?? 0,
      runId: marker.slice.record?.run_id ?? '',
      builtAtMs: 1000 * marker.file.mtimeS,
      digest: contentDigest(contents),
    },
    files,
    // A record speaks for one build; of files of two there is none.
    identity: givers.size === 1 ? marker.slice.record?.identity : undefined,
  });
}

function candidate(parts: Omit<Candidate, 'kind' | 'encoder' | 'markerMs'>): Candidate {
  const marker = parts.files.find(({ path }) => path === MARKER);
  return {
    kind: 'candidate',
    ...parts,
    markerMs: 1000 * (marker?.mtimeS ?? 0),
    encoder: buildFacts(parts.identity).encoder ?? UNKNOWN_ENCODER,
  };
}

function compareOrder(a: BuildOrder, b: BuildOrder): number {
  return a.epoch - b.epoch || a.builtAtMs - b.builtAtMs || (a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0);
}
