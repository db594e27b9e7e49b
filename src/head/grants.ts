/**
 * Who encodes which database, as the head decides it (DESIGN rule 5): one node at a time per (encoding, database), over
 * all runs. While it encodes, the others do other work; once the reference lies in the store they take it from there.
 *
 *     free ──begin──▶ granting ──durable──▶ held ──ReferenceReady──▶ ready
 *       ▲                                    │ the holder is lost       │ a node cannot use it
 *       └────────────────────────────────────┴──────────────────────────┘        (the next grant: epoch + 1)
 *
 * Invariants: G1 a node is told of its grant only after the store has it. G2 a living holder keeps its grant: that its
 * tasks ended says nothing, since the shard follows the rows. G3 what a former holder reports is refused.
 */
import { describeError, SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import type { Logger } from '../kernel/log.ts';
import type { ObjectStore } from '../store/port.ts';
import { encodingOf, isEncoding, isStillThere, readGrant, writeGrant, type StoredGrant } from './grant-record.ts';
import type { RunFacts } from './run-facts.ts';

/** Where a whole reference lies in the store. */
export interface ReferencePlace {
  readonly runId: string;
  readonly shard: string;
}

export type Permit =
  /** Nothing is encoded, or the reference is there: any node may work on the database. */
  | { readonly kind: 'open'; readonly place: ReferencePlace | undefined }
  /** This node encodes. */
  | { readonly kind: 'granted'; readonly epoch: number }
  /** Nobody encodes yet: this node may, after `begin`. */
  | { readonly kind: 'askable' }
  /** Being granted to this very node. */
  | { readonly kind: 'pending' }
  /** Another node encodes. */
  | { readonly kind: 'busy' };

type GrantState =
  | { readonly kind: 'free' }
  | { readonly kind: 'granting'; readonly node: string; readonly bootId: string }
  | { readonly kind: 'held'; readonly node: string; readonly bootId: string; readonly epoch: number }
  | { readonly kind: 'ready'; readonly epoch: number; readonly place: ReferencePlace };

interface Grant {
  readonly encoding: string;
  readonly database: string;
  state: GrantState;
  /** The highest that was ever given. */
  epoch: number;
  stored: StoredGrant;
  /** Runs whose own setup holds the very reference. */
  readonly seeded: Set<string>;
}

export interface GrantsOptions {
  readonly store: ObjectStore;
  readonly log: Logger;
  /** The life in which a node is known to be, undefined if it has not been heard of. */
  readonly bootOf: (node: string) => string | undefined;
  /** False inside a command, which has one node and nobody to agree with: epoch 1, and nothing is written. */
  readonly isDurable: boolean;
}

const ANYBODY: Permit = { kind: 'open', place: undefined };
const NOTHING_STORED: StoredGrant = { record: undefined, generation: undefined };

export class Grants {
  readonly #options: GrantsOptions;
  readonly #grants = new Map<string, Grant>();

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /** Reads what earlier heads granted for the databases of a run. @throws SkeinError the store's */
  async load(manifest: RunFacts, databases: readonly string[]): Promise<void> {
    if (!this.#options.isDurable || !isEncoding(manifest)) return;
    await Promise.all(
      databases.map(async (database) => {
        const grant = this.#grantOf(manifest, database);
        if (grant.state.kind !== 'free' || grant.stored.generation !== undefined) return;
        const { store } = this.#options;
        const stored = await readGrant(store, grant.encoding, database);
        const { record } = stored;
        const isReady = record !== undefined && (await isStillThere(store, record, database));
        // Meanwhile another run may have asked.
        if (grant.state.kind !== 'free' || grant.stored.generation !== undefined) return;
        grant.stored = stored;
        if (!record) return;
        grant.epoch = record.epoch;
        if (isReady && record.ready) {
          const place = { runId: record.ready.run_id, shard: record.ready.shard };
          grant.state = { kind: 'ready', epoch: record.epoch, place };
        } else if (!record.ready && !this.#isPast(record.node, record.boot_id)) {
          grant.state = { kind: 'held', node: record.node, bootId: record.boot_id, epoch: record.epoch };
        }
      }),
    );
  }

  /** What `node` may do with a database of this run. */
  permit(manifest: RunFacts, database: string, node: string): Permit {
    if (!isEncoding(manifest)) return ANYBODY;
    const { state, seeded } = this.#grantOf(manifest, database);
    if (seeded.has(manifest.run_id)) return ANYBODY;
    switch (state.kind) {
      case 'free':
        return { kind: 'askable' };
      case 'granting':
        return { kind: state.node === node ? 'pending' : 'busy' };
      case 'held':
        return state.node === node ? { kind: 'granted', epoch: state.epoch } : { kind: 'busy' };
      case 'ready':
        return { kind: 'open', place: state.place };
    }
  }

  /** Nodes that hold a grant which is not ready yet. */
  holders(): string[] {
    return [...this.#grants.values()].flatMap(({ state }) => (state.kind === 'held' ? [state.node] : []));
  }

  /** Databases that are being granted to `node` right now. */
  pendingAt(node: string): string[] {
    return [...this.#grants.values()].flatMap(({ state, database }) =>
      state.kind === 'granting' && state.node === node ? [database] : [],
    );
  }

  /** Grants a free database to `node`; resolves when the store has it, or when it could not be: then it is free again. */
  async begin(manifest: RunFacts, database: string, node: string): Promise<void> {
    const grant = this.#grantOf(manifest, database);
    if (grant.state.kind !== 'free') return;
    const bootId = this.#options.bootOf(node) ?? '';
    if (!this.#options.isDurable) {
      grant.epoch = 1;
      grant.state = { kind: 'held', node, bootId, epoch: 1 };
      return;
    }
    const granting: GrantState = { kind: 'granting', node, bootId };
    grant.state = granting;
    try {
      const epoch = await this.#write(grant, (current) => ({
        epoch: Math.max(current, grant.epoch) + 1,
        node,
        boot_id: bootId,
        run_id: manifest.run_id,
        granted_at_ms: Date.now(),
        ready: null,
      }));
      failPoint('head.grant-written');
      this.#options.log.info({ database, node, epoch, run: manifest.run_id }, 'encode granted');
      // The node may have been lost meanwhile: the epoch is spent, the database free.
      if (grant.state === granting) grant.state = { kind: 'held', node, bootId, epoch };
    } catch (error) {
      if (grant.state === granting) grant.state = { kind: 'free' };
      this.#options.log.warn({ database, node, error: describeError(error) }, 'encode not granted');
      throw error;
    }
  }

  /** `node` says that a whole reference lies in the store; `shard` empty: in the run's own setup. Whether it is believed. */
  ready(
    manifest: RunFacts,
    node: string,
    said: { readonly database: string; readonly grantEpoch: number; readonly shard: string; readonly digest: string },
  ): boolean {
    const { database, grantEpoch, shard, digest } = said;
    const grant = this.#grantOf(manifest, database);
    if (shard === '') {
      grant.seeded.add(manifest.run_id);
      return true;
    }
    const { state } = grant;
    // One that was told of an older grant and never heard may say it again.
    const isHolder = state.kind === 'held' && state.node === node && grantEpoch >= state.epoch;
    if (!isHolder && grantEpoch < grant.epoch) {
      if (state.kind === 'ready') return state.epoch === grantEpoch;
      this.#options.log.warn(
        { database, node, epoch: grantEpoch, now: grant.epoch },
        'reference of an older grant: it loses',
      );
      return false;
    }
    const place = { runId: manifest.run_id, shard };
    if (state.kind === 'ready' && state.place.runId === place.runId && state.place.shard === shard) return true;
    grant.epoch = Math.max(grant.epoch, grantEpoch);
    grant.state = { kind: 'ready', epoch: grant.epoch, place };
    if (this.#options.isDurable) {
      void this.#write(grant, (epoch) => ({
        epoch: Math.max(epoch, grant.epoch, 1),
        node,
        boot_id: this.#options.bootOf(node) ?? '',
        run_id: manifest.run_id,
        granted_at_ms: grant.stored.record?.granted_at_ms ?? 0,
        ready: { run_id: place.runId, shard, digest },
      })).then(
        () => failPoint('head.reference-recorded'),
        (error: unknown) =>
          this.#options.log.warn({ database, error: describeError(error) }, 'place of a reference not recorded'),
      );
    }
    return true;
  }

  /** A node could not use the reference: the next one that asks encodes. */
  forget(manifest: RunFacts, database: string): void {
    const grant = this.#grantOf(manifest, database);
    if (grant.state.kind === 'ready') grant.state = { kind: 'free' };
    grant.seeded.delete(manifest.run_id);
  }

  /** `node` is lost, left, or cannot encode: what it holds passes on. With `manifest`: only what concerns that run, and `only` of its databases. */
  release(node: string, manifest?: RunFacts, only?: string): void {
    for (const grant of this.#grants.values()) {
      const { state, encoding, database } = grant;
      if (only !== undefined && database !== only) continue;
      if ((state.kind !== 'held' && state.kind !== 'granting') || state.node !== node) continue;
      if (manifest && encodingOf(manifest, database) !== encoding) continue;
      this.#free(grant);
    }
  }

  #free(grant: Grant): void {
    const { state, database } = grant;
    const node = state.kind === 'held' ? state.node : '';
    grant.state = { kind: 'free' };
    this.#options.log.info({ database, node }, 'encode grant passes on');
  }

  /** A node dialled in: what an earlier life of it held passes on, for that life is dead. */
  joined(node: string): void {
    for (const grant of this.#grants.values()) {
      const { state } = grant;
      if ((state.kind !== 'held' && state.kind !== 'granting') || state.node !== node) continue;
      if (this.#isPast(node, state.bootId)) this.#free(grant);
    }
  }

  #isPast(node: string, bootId: string): boolean {
    const now = this.#options.bootOf(node);
    return now !== undefined && now !== bootId;
  }

  /** The epoch that was written, after whoever else wrote meanwhile. */
  async #write(grant: Grant, next: (epoch: number) => NonNullable<StoredGrant['record']>): Promise<number> {
    const { encoding, database } = grant;
    for (let turn = 0; turn < 5; turn += 1) {
      const record = next(grant.stored.record?.epoch ?? 0);
      const { kind, stored } = await writeGrant(this.#options.store, encoding, database, record, grant.stored);
      grant.stored = stored;
      if (kind === 'conflict') continue;
      grant.epoch = Math.max(grant.epoch, record.epoch);
      return record.epoch;
    }
    throw new SkeinError('STORE_CONFLICT', `grant of ${database}: another head keeps writing it`);
  }

  #grantOf(manifest: RunFacts, database: string): Grant {
    const encoding = encodingOf(manifest, database);
    const key = `${encoding}/${database}`;
    let grant = this.#grants.get(key);
    if (!grant) {
      grant = { encoding, database, state: { kind: 'free' }, epoch: 0, stored: NOTHING_STORED, seeded: new Set() };
      this.#grants.set(key, grant);
    }
    return grant;
  }
}
