/**
 * Where the things of one run are on a machine: what every place (`fixed-places.ts`, `data-dir-places.ts`) promises to the
 * run executor.
 */
import type { Task } from '../dataset/task.ts';
import type { ReferenceSource } from '../frameworks/assignment.ts';
import type { Logger } from '../kernel/log.ts';
import type { Manifest } from '../run/manifest.ts';
import type { ObjectStore } from '../store/port.ts';
import type { LockKeeper } from './lock-keeper.ts';
import type { RunSettings } from './run-settings.ts';

/** What one database's tasks work with. All paths are absolute. */
export interface DatabasePlace {
  /** Holds `<db>/` as a dataset does. */
  readonly datasetDir: string;
  readonly databasePath: string;
  readonly cacheRoot: string;
  readonly referenceRoot: string;
  readonly reference: ReferenceSource;
  /** Set: the reference that stands there is the run's own seed, with this digest of its content. */
  readonly seedDigest?: string;
}

/** What the head said of a database with a batch. */
export interface PlaceRequest {
  readonly database: string;
  /** Above 0: this node may encode it, under this epoch. */
  readonly grantEpoch: number;
  /** A whole reference in the store; undefined: in the run's setup, or none is needed. */
  readonly reference: { readonly runId: string; readonly shard: string } | undefined;
}

export type PlaceOutcome =
  | { readonly kind: 'ready'; readonly place: DatabasePlace }
  /** A reference is needed and not whole where the head said, nor granted to this node: the tasks go back to the head. */
  | { readonly kind: 'not-granted'; readonly reason: string };

export interface RunPlaces {
  /** At least those of the run. */
  readonly taskById: ReadonlyMap<string, Task>;
  /**
   * Brings what the database's tasks need, if it is not there. For one database at a time.
   * @throws SkeinError NOT_FOUND | CORRUPT | INVALID_INPUT: this database cannot be worked on here; STORE_UNAVAILABLE | DISK_FULL |
   * DEADLINE …: not now
   */
  prepare(request: PlaceRequest): Promise<PlaceOutcome>;
}

export interface PlacesRequest {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly manifest: Manifest;
  readonly settings: RunSettings;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface NodePlaces {
  /** The locks over everything in these places; the node that uses them takes it over and closes it. */
  readonly locks: LockKeeper;
  /** Where users' own frameworks are kept, by digest; undefined: with what goes when the node stops. */
  readonly frameworksDir?: string;
  /** @throws SkeinError NOT_FOUND | CORRUPT | INVALID_INPUT: nothing of this run can work here; STORE_UNAVAILABLE …: not now */
  open(run: PlacesRequest): Promise<RunPlaces>;
}
