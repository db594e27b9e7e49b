/**
 * The object store port: what Skein needs of a bucket, with GCS's semantics (generations, preconditions, paged lists).
 *
 * Not here: retries of a caller's own, names (`layout.ts`), trees of files (`prefix.ts`).
 *
 * Invariants: P1 a write states its precondition, so no write is ever blind. P2 an object is whole or absent. P3 a
 * refused precondition is a value; an exception means that the store could not do its work. P4 an exception with code
 * OUTCOME_UNKNOWN means that the write may have happened: read back and compare (`createOrConfirm`).
 */

/** What a store knows of an object without reading it. */
export interface ObjectInfo {
  /** Full name below the store's root, `/`-separated, no leading slash. */
  readonly name: string;
  /** Opaque and different after every write of this name; a string, as GCS's int64. */
  readonly generation: string;
  readonly sizeBytes: number;
  readonly updatedMs: number;
  /** Whether the store keeps it from deletion and replacement (`setHold`); absent from stores that cannot. */
  readonly isHeld?: boolean;
}

export interface StoredObject extends ObjectInfo {
  readonly bytes: Buffer;
}

/** What a conditional write came to. `conflict.generation` is what stands there, undefined if nothing does. */
export type WriteOutcome =
  | { readonly kind: 'written'; readonly generation: string }
  | { readonly kind: 'conflict'; readonly generation: string | undefined };

export type RemoveOutcome =
  | { readonly kind: 'removed' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'conflict'; readonly generation: string };

/** `added`: the rule was not there before. */
export interface ExpiryOutcome {
  readonly kind: 'present' | 'added';
}

export interface ListPage {
  /** In byte order of their names. */
  readonly objects: readonly ObjectInfo[];
  /** With a delimiter: the common prefixes, each with its trailing delimiter, each once over all pages. */
  readonly prefixes: readonly string[];
  /** Give it back for the next page; absent on the last one. */
  readonly nextPageToken?: string;
}

export interface ListOptions {
  /** `/` groups names below the prefix into `prefixes`, as folders. */
  readonly delimiter?: '/';
  readonly pageToken?: string;
  /** Default and maximum 1000. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

export interface ReadOptions {
  /** Byte range, `end` exclusive and optional. Reading past the end gives what is there. */
  readonly range?: { readonly start: number; readonly end?: number };
  readonly signal?: AbortSignal;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** @throws SkeinError STORE_UNAVAILABLE | OUTCOME_UNKNOWN (writes) | DISK_FULL | INVALID_INPUT (names) | CANCELLED */
export interface ObjectStore extends AsyncDisposable {
  /** The URL that opens this store again: `file:///abs/dir`, `memory:`, `gs://bucket/prefix`. */
  readonly url: string;
  /** Writes `name` if nothing stands there (GCS: `ifGenerationMatch: 0`). */
  create(name: string, bytes: Uint8Array, options?: CallOptions): Promise<WriteOutcome>;
  /** Writes `name` if its generation still is `generation`. */
  replace(name: string, bytes: Uint8Array, generation: string, options?: CallOptions): Promise<WriteOutcome>;
  /** The object's bytes, or undefined if there is none. */
  read(name: string, options?: ReadOptions): Promise<StoredObject | undefined>;
  stat(name: string, options?: CallOptions): Promise<ObjectInfo | undefined>;
  list(prefix: string, options?: ListOptions): Promise<ListPage>;
  /** Removes `name` if its generation still is `generation`. */
  remove(name: string, generation: string, options?: CallOptions): Promise<RemoveOutcome>;
  /** Whether this store can be written to: a probe object created, read and removed. Throws with the reason if not. */
  checkWritable(): Promise<void>;
  /** Has the bucket itself delete objects below `prefix` after `days`, besides the rules it has. Absent: stores that cannot. */
  ensureExpiry?(prefix: string, days: number, options?: CallOptions): Promise<ExpiryOutcome>;
  /** After how many days the bucket deletes objects below `prefix` by that rule; undefined if it has none. Absent: as above. */
  expiryDays?(prefix: string, options?: CallOptions): Promise<number | undefined>;
  /**
   * Has the bucket itself refuse to delete or replace `name`, be it by its own rules, or lets it do so again. The same
   * twice is the same as once. Absent: stores that clear nothing away.
   */
  setHold?(name: string, isHeld: boolean, options?: CallOptions): Promise<'set' | 'absent'>;
}
