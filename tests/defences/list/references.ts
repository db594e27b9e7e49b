/** What keeps references and caches whole, and paid ones safe. */
import { defence, instead, without, type Defence } from '../defence.ts';

export const references: readonly Defence[] = [
  defence(
    'a merge takes the marker off first',
    'reference/replace-tree.ts',
    without('await rm(join(target, MARKER), { force: true });'),
    ['crash/merge.test.ts', 'at %s leaves the old, the new or an unmarked folder'],
  ),
  defence(
    'a merge puts the marker on last',
    'reference/replace-tree.ts',
    [
      instead('const content = [...staged].filter(([path]) => path !== MARKER);', 'const content = [...staged];'),
      without('await rename(staged.get(MARKER)!, join(target, MARKER));'),
    ],
    ['crash/merge.test.ts', 'at %s leaves the old, the new or an unmarked folder'],
  ),
  defence(
    'a merge leaves no stale file',
    'reference/replace-tree.ts',
    instead('if (!kept.has(path) || !entry.isFile()) await', 'if (!entry.isFile()) await'),
    ['unit/fetch/merge.test.ts', 'stale files, empty folders'],
  ),
  defence(
    'a merged file keeps the time of its source',
    'reference/replace-tree.ts',
    without('await utimes(temp, mtimeS, mtimeS);'),
    ['unit/fetch/merge.test.ts', 'files keep the time of their source'],
  ),
  defence(
    'an older shard never replaces a newer reference',
    'reference/merge-decision.ts',
    instead("return isLater(offer.order, local.order) ? 'updated' : 'local-newer';", "return 'updated';"),
    ['unit/fetch/merge.test.ts', 'an older or equally old shard changes nothing'],
  ),
  defence(
    'a reference that another encoder was paid for is not merged over',
    'reference/merge-decision.ts',
    without("if (local.isPaid && !isSameMake) return 'local-paid';"),
    ['unit/fetch/merge.test.ts', 'never replaces a reference that another encoder was paid for'],
  ),
  defence(
    'the best whole shard is taken, whatever its name',
    'reference/merge-candidate.ts',
    instead('whole.sort((a, b) => compareOrder(b.order, a.order))[0]', 'whole[0]'),
    [
      'unit/fetch/merge.test.ts',
      'one whole shard is taken and no file of another',
      'chooses the same one of two equal',
    ],
  ),
  defence(
    'a merge holds the lock of the database',
    'reference/merge.ts',
    instead(
      'return withLock(db, async () => {',
      'return ((_db: string, work: () => Promise<any>) => work())(db, async () => {',
    ),
    ['unit/fetch/merge.test.ts', 'looks at and changes a database under its lock only'],
  ),
  defence(
    'a merge follows no link in the place of a database',
    'reference/merge.ts',
    without('if (problem !== undefined) return { reason: problem };'),
    ['unit/fetch/merge.test.ts', 'does not follow a link'],
  ),
  defence(
    'a slice without its end marker is in progress',
    'reference/shard-slice.ts',
    without('!isPlainFile(join(dir, UPLOAD_COMPLETE)) || '),
    ['unit/fetch/merge.test.ts', 'an incomplete slice gives nothing'],
  ),
  defence(
    'a slice with other bytes than were uploaded is refused',
    'reference/shard-slice.ts',
    [
      without("if (sha256(bytes) !== expected.sha256) throw corrupt(path, 'other bytes than were uploaded');"),
      instead('if (record && record.content_digest !== digest) {', 'if (digest === undefined) {'),
    ],
    ['unit/fetch/merge.test.ts', 'refuses a slice whose bytes are not those'],
  ),
  defence(
    'a path in a side-car cannot lead outside',
    'reference/slice-files.ts',
    without('if (problem !== undefined) throw corrupt(MARKERS.sourceMtimes, `${shown} is refused: ${problem}`);'),
    ['unit/fetch/slice-outside.test.ts', 'refuses a slice that names a file outside of it'],
  ),
  defence(
    'a merge copies everything before the old marker goes',
    'reference/replace-tree.ts',
    instead('await sweepMerges(target);', 'await rm(join(target, MARKER), { force: true }).catch(() => {});'),
    ['unit/fetch/merge-bad-input.test.ts', 'is kept whole when a source cannot be copied'],
  ),
  defence(
    'a slice with an object that was not fetched is refused',
    'reference/run-slices.ts',
    instead('if (hole) {', 'if (hole === null) {'),
    ['unit/fetch/merge-bad-input.test.ts', 'that has an object which was not fetched'],
  ),
  defence(
    'a local reference without a record may have been paid for',
    'reference/local-reference.ts',
    without('encoder === undefined || '),
    ['unit/fetch/merge-bad-input.test.ts', 'without a record counts as paid for'],
  ),
  defence('within a run grants outrank clocks', 'reference/merge-candidate.ts', without('a.epoch - b.epoch || '), [
    'unit/fetch/merge-bad-input.test.ts',
    'decide nothing within a run',
  ]),
  defence(
    'a shard’s end marker goes last',
    'reference/shard.ts',
    instead(
      "failPoint('shard.before-sidecar');",
      "await createOrConfirm(store, prefix + MARKERS.uploadComplete, Buffer.from('ok'), upload);",
    ),
    ['unit/fetch/shard.test.ts', 'is complete only when everything else is stored'],
  ),
  defence(
    'a shard that is written again loses its end marker first',
    'reference/shard.ts',
    without('await takeCompleteOff(upload, prefix);'),
    ['unit/fetch/shard.test.ts', 'another build under its name first takes the marker off'],
  ),
  defence('what is as it was seeded is not shipped', 'reference/shard.ts', without(' && !isSeed'), [
    'unit/fetch/shard.test.ts',
    'neither without marker, nor shipped before',
  ]),
  defence('only runs that encode ship references', 'reference/shard.ts', without('encodes(run) && '), [
    'unit/fetch/shard.test.ts',
    'neither without marker, nor shipped before',
  ]),
  defence(
    'an upload counts as done only after it',
    'node/upload-back.ts',
    instead(
      'const shard = shardId(hostname(), process.pid, actor);',
      'this.#shipped.add(database); const shard = shardId(hostname(), process.pid, actor);',
    ),
    ['unit/node/upload-back.test.ts', 'a flush that may wait tries until'],
  ),
  defence(
    'the seeds of a run are read from the bucket, not from the disk',
    'node/upload-back.ts',
    instead(
      'await readSeedSnapshot(store, runId, { signal })',
      "new Map(await Promise.all(options.settings.databases.map(async (db) => [db, (await fingerprintIn(options.placeOf(db)!.referenceRoot, db)) ?? ''] as const)))",
    ),
    ['unit/node/upload-back-seeds.test.ts', 'what a peer built on the same disk is shipped'],
  ),
  defence(
    'what a run built itself is no seed of it',
    'reference/setup-upload.ts',
    without("if (buildFacts(identity).runId === runId) return { artifact, database, kind: 'absent', files: 0 };"),
    ['unit/reference/stage2-setup.test.ts', 'are never what this very run built'],
  ),
  defence(
    'a seed never replaces what stands there',
    'node/setup-download.ts',
    [
      without("if (local !== undefined && !isRequired) return report('kept');"),
      without("if (standing !== undefined && !isRequired) return report('kept');"),
    ],
    ['unit/reference/stage2-setup.test.ts', 'never replace a reference that stands there'],
  ),
  defence(
    'the marker of a setup goes up last',
    'reference/setup-upload.ts',
    instead('[...objects.keys()].filter((name) => name !== markerName)', '[...objects.keys()]'),
    ['unit/reference/stage2-setup.test.ts', 'has no marker object when it ended early'],
  ),
  defence(
    'a setup that changes loses its marker first',
    'reference/setup-upload.ts',
    without('if (marker) await remove(marker);'),
    ['unit/reference/setup-races.test.ts', 'has no marker object while it is shipped again'],
  ),
  defence(
    'a marker without KB rows is no artifact',
    'reference/setup.ts',
    instead('return readKbRows(dir).then(', 'return Promise.resolve().then('),
    ['unit/reference/stage2-setup.test.ts', 'must be there before anything is made'],
  ),
  defence(
    'who waited for the lock looks again',
    'reference/build-reference.ts',
    without("if (now.kind === 'fresh' && !force) return await load(root, database, timingsMs);"),
    ['unit/reference/stage2-build.test.ts', 'looks again once it has the lock'],
  ),
  defence('nothing is committed under a lost lock', 'reference/build-reference.ts', without('await lock.verify();'), [
    'unit/reference/stage2-build.test.ts',
    'commits nothing when its lock was lost',
  ]),
  defence(
    'a reference that was paid for is never built over',
    'reference/build-reference.ts',
    [
      without("if (first.kind === 'kept' && !force) throw keptError(root, database, first.found, wanted);"),
      without("if (now.kind === 'kept' && !force) throw keptError(root, database, now.found, identity);"),
    ],
    ['unit/reference/stage2-build.test.ts', 'that was paid for is never replaced by another'],
  ),
  defence(
    'a reference is reused only by its own identity',
    'reference/identity.ts',
    instead('if (isSame(found, wanted) || isAccepted(record, wanted)) return', 'return'),
    ['unit/reference/stage2-build.test.ts', 'of other inputs or another version'],
  ),
  defence(
    'a reference that was accepted is accepted for one encoder and one input',
    'reference/identity.ts',
    instead('return isSame({ inputFingerprint, encoderId, encoderVersion }, wanted);', 'return true;'),
    ['unit/reference/accept-reference.test.ts', 'that was accepted is the wanted one from then on'],
  ),
  defence(
    'a reader without the lock looks at the marker again',
    'reference/marked-tree.ts',
    instead('if (after?.stamp === look.stamp) {', 'if (after !== null) {'),
    ['unit/reference/stage2-store.test.ts', 'gives one whole build while builds replace each other'],
  ),
  defence(
    'a commit replaces only the marked folder that it was told of',
    'reference/commit.ts',
    without("if (standing !== undefined && standing.stamp !== replaces) return 'peer';"),
    ['unit/reference/stage2-store.test.ts', 'replaces scrap, but of marked folders only'],
  ),
  defence(
    'a commit writes its record while no marker stands there',
    'reference/commit.ts',
    without('await rm(join(target, marker));'),
    ['unit/reference/stage2-store.test.ts', 'writes the record while no marker stands there'],
  ),
  defence(
    'what a task must not see is hidden from it',
    'reference/masking.ts',
    instead('ids.some((id) => deleted.has(id))', 'ids.length < 0'),
    ['unit/reference/stage2-store.test.ts', 'hides deleted knowledge'],
  ),
];
