/** `skein encode`: builds references of databases without any task: stage 1 where it is stale, then stage 2. */
import { availableParallelism } from 'node:os';
import { openDataset } from '../../dataset/dataset.ts';
import type { BuiltReferenceReport } from '../../frameworks/reference-actor.ts';
import type { CliContext } from '../context.ts';
import { ERROR_ROWS, OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { checkFolders } from '../folders.ts';
import { durationText } from '../progress-text.ts';
import { openView } from '../progress-view.ts';
import { parseEncoder, standingReferences } from '../reference-check.ts';
import { buildMissingCaches } from '../run-to-end.ts';
import { DATABASE_WAYS, selectDatabases, selectionOf } from '../select-tasks.ts';
import * as shared from '../shared-flags.ts';
import { actorsOf } from '../submission.ts';
import { tableText } from '../table.ts';

/** A database as `--json` prints it. */
interface EncodedDatabase {
  readonly database: string;
  readonly encoded: number;
  readonly deferred: number;
  readonly errors: number;
  readonly reused: boolean;
  readonly by_type: BuiltReferenceReport['countsByType'];
  readonly elapsed_s: number;
}

/** Does it. The exit code. @throws SkeinError */
export async function encode(flags: Flags, context: CliContext): Promise<number> {
  const startedMs = performance.now();
  const { out, err, env, stop } = context;
  const selection = await selectionOf(flags, DATABASE_WAYS);
  const actors = actorsOf(flags) ?? availableParallelism();
  const encoder = flags.get('encoder') ?? 'rules';
  await parseEncoder(encoder);
  const cacheRoot = shared.folderOf(flags, 'cache-root');
  const referenceRoot = shared.folderOf(flags, 'reference-root');
  const dataset = await openDataset(flags.need('dataset', '--dataset DIR'));
  const databases = selectDatabases(selection, dataset);
  for (const database of databases) await dataset.checkDatabase(database);
  await checkFolders(
    [
      { field: '--cache-root', path: cacheRoot },
      { field: '--reference-root', path: referenceRoot },
    ],
    dataset.dir,
  );
  const asked = { encoder, reference_root: referenceRoot };
  const references = await standingReferences(asked, dataset.dir, databases, flags.has('accept-reference'));
  await references.accept(stop.drain);

  using view = await openView(err, flags.has('quiet'));
  const combo = { framework: 'encode', queryMode: 'slayer', slayerSetup: 'on-the-fly' };
  await buildMissingCaches({ combo, dataset, databases, cacheRoot, actors }, context, view);
  const { encodeReferences } = await import('../../embed/prepare.ts');
  const done: EncodedDatabase[] = [];
  view.phase(`encoding 0 of ${databases.length} databases`);
  await encodeReferences({
    dataset,
    databases,
    cacheRoot,
    referenceRoot,
    encoder,
    actors,
    env,
    signal: stop.drain,
    onEncoded: (database, { wasBuilt, counts, countsByType, elapsedMs }) => {
      done.push({
        database,
        encoded: counts.encoded,
        deferred: counts.deferred,
        errors: counts.error,
        reused: !wasBuilt,
        by_type: countsByType,
        elapsed_s: Math.round(elapsedMs) / 1000,
      });
      view.phase(`encoding ${done.length} of ${databases.length} databases`);
    },
  });
  view[Symbol.dispose]();
  done.sort((a, b) => (a.database < b.database ? -1 : 1));
  const code = done.some(({ errors }) => errors > 0) ? ERROR_ROWS : OK;
  const elapsedS = Math.round(performance.now() - startedMs) / 1000;
  if (flags.has('json')) {
    const paths = { cache_root: cacheRoot, reference_root: referenceRoot };
    const reason = code === OK ? 'done' : 'errors';
    out.line(JSON.stringify({ databases: done, paths, exit_reason: reason, exit_code: code, elapsed_s: elapsedS }));
    return code;
  }
  if (!flags.has('quiet')) {
    out.line(tableOf(done));
    const [encoded, items] = totals(done);
    out.line(`knowledge: ${encoded} of ${items} items encoded, ${durationText(elapsedS)}`);
  }
  out.line(`references  ${referenceRoot}`);
  return code;
}

function tableOf(databases: readonly EncodedDatabase[]): string {
  const rows = databases.map(({ database, encoded, deferred, errors, reused, elapsed_s: elapsedS }) => [
    ...[database, encoded, deferred, errors],
    ...[reused ? 'reused' : 'built', durationText(elapsedS)],
  ]);
  return tableText(['database', 'encoded', 'deferred', 'errors', 'reference', 'time'], rows, (column) =>
    ['encoded', 'deferred', 'errors', 'time'].includes(column),
  );
}

function totals(databases: readonly EncodedDatabase[]): [encoded: number, items: number] {
  const encoded = databases.reduce((sum, each) => sum + each.encoded, 0);
  return [encoded, databases.reduce((sum, each) => sum + each.deferred + each.errors, encoded)];
}
