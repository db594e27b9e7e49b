/** Builds references outside of any task, one database a call: what `skein encode` runs on its threads. */
import { currentCall } from '../actor/context.ts';
import type { SetupResult } from '../reference/model.ts';
import { buildInActor, type ReferenceBuildRequest } from './reference-build.ts';

export type { ReferenceBuildRequest } from './reference-build.ts';

/** What became of one database. */
export interface BuiltReferenceReport {
  readonly database: string;
  readonly dir: string;
  readonly fingerprint: string;
  /** False: the one that stood there was reused. */
  readonly wasBuilt: boolean;
  readonly results: readonly SetupResult[];
  /** KB items by what became of them. */
  readonly counts: Readonly<Record<SetupResult['status'], number>>;
  /** KB items by type, then by what became of them. */
  readonly countsByType: Readonly<Record<string, Readonly<Record<SetupResult['status'], number>>>>;
  /** Milliseconds by phase. */
  readonly timingsMs: Readonly<Record<string, number>>;
}

export class ReferenceActor {
  /** @throws as `buildInActor` */
  async build(request: ReferenceBuildRequest): Promise<BuiltReferenceReport> {
    const { database } = request;
    const { dir, fingerprint, wasBuilt, results, kb, timingsMs } = await buildInActor(request, currentCall().signal);
    const typeById = new Map(kb.map((row) => [row.id, row.type]));
    const counts = noCounts();
    const countsByType: Record<string, Counts> = {};
    for (const { kb_id: id, status } of results) {
      counts[status] += 1;
      (countsByType[typeById.get(id) ?? 'unknown'] ??= noCounts())[status] += 1;
    }
    return { database, dir, fingerprint, wasBuilt, results, counts, countsByType, timingsMs };
  }
}

type Counts = Record<SetupResult['status'], number>;

function noCounts(): Counts {
  return { encoded: 0, deferred: 0, error: 0 };
}
