/** What keeps rows, and what is said of them. */
import { defence, instead, without, type Defence } from '../defence.ts';

export const rows: readonly Defence[] = [
  defence(
    'a real row beats a verdict that stands in its place',
    'node/shipper.ts',
    instead('if (standing && isSyntheticJson(standing.name, standing.bytes)) {', 'if (!standing) {'),
    ['threads/run-executor.test.ts', 'keeps a real row that finds a synthetic one'],
  ),
  defence(
    'a verdict never speaks over a real row',
    'run/canonical-row.ts',
    instead('if (row && !isSyntheticRow(row)) return found(row, attempt);', 'if (row) return found(row, attempt);'),
    ['unit/run/canonical-row.test.ts', 'is an earlier real row when a later attempt came to a synthetic one only'],
  ),
  defence('the highest attempt speaks', 'run/canonical-row.ts', instead('attempts.toReversed()', 'attempts'), [
    'unit/run/canonical-row.test.ts',
    'is that of the highest attempt by number',
  ]),
  defence(
    'a resubmit makes the status forget the old end',
    'run/resubmit.ts',
    without('terminal_state: null,\n      last_heartbeat_ts: null,'),
    ['unit/run/resubmit.test.ts', 'records why, and has status and waiters forget the old end'],
  ),
  defence(
    'a resubmit takes a number that no attempt had',
    'run/resubmit.ts',
    instead('highest, ...flying) + 1', 'highest) + 1'),
    ['unit/run/resubmit.test.ts', 'is a number that no attempt had'],
  ),
  defence(
    'an error of before a resubmit says nothing after it',
    'run/id-state.ts',
    without("    if (last < floor) return open('resubmitted');\n"),
    ['unit/run/id-state.test.ts', 'is open until that attempt has a row'],
  ),
  defence(
    'a late error of before a resubmit ends no id',
    'head/run-ledger.ts',
    without("    if (isError && attempt < (task.floor ?? 1)) return { kind: 'stale' };\n"),
    ['unit/head/run-ledger.test.ts', 'lets no error of an attempt before the resubmitted one end an id'],
  ),
  defence(
    'a fetch asks what was resubmitted before it believes an earlier collation',
    'head/collation-inputs.ts',
    without('[...floors].sort(([a], [b]) => (a < b ? -1 : 1)), '),
    ['unit/fetch/fetch.test.ts', 'counts what was resubmitted as missing until the new attempt has a row'],
  ),
  defence('what is written over is never held', 'run/pin.ts', without('name === statusName(runId) || '), [
    'unit/run/pin.test.ts',
    'outlives the rule that clears all others away',
  ]),
  defence(
    'a row of another id is no row of this one',
    'run/canonical-row.ts',
    instead("if (row['instance_id'] === file.instanceId) return row;", 'if (row) return row;'),
    ['unit/run/canonical-row.test.ts', 'is unreadable when the highest attempt is cut'],
  ),
  defence(
    'a head finds the row that a node had stored before it calls it lost',
    'head/losses.ts',
    instead("if (outcome.kind !== 'conflict') return stored();", 'if (outcome.kind.length > 0) return stored();'),
    ['unit/head/row-before-verdict.test.ts', 'a row that reaches the store just before the verdict'],
  ),
  defence(
    'a start is recorded before the actor hears of it',
    'node/spool.ts',
    instead('this.#journal.writeNow();', 'void 0;'),
    ['unit/node/spool.test.ts', 'a start is with the kernel before'],
  ),
  defence(
    'a grant is on the disk before anything is built under it',
    'node/spool.ts',
    instead('await this.#journal.synced();\n    } catch', 'await Promise.resolve();\n    } catch'),
    ['unit/node/spool.test.ts', 'a grant is with the kernel before'],
  ),
  defence(
    'a snapshot that hangs does not hold up the end of its task',
    'node/snapshots.ts',
    without('this.#pass?.abort();'),
    ['unit/node/snapshots.test.ts', 'the end of a task takes the place of a pass that hangs'],
  ),
  defence(
    'the first message of a transcript does not hold up the end of its task either',
    'node/snapshots.ts',
    without('this.#first?.abort();'),
    ['unit/node/snapshots.test.ts', 'the end of a task takes the place of a transcript that hangs'],
  ),
  defence(
    'a full spool takes nothing new',
    'node/spool.ts',
    instead('const isFull = this.bytes >=', 'const isFull = this.bytes * 0 >='),
    ['unit/node/spool-limit.test.ts', 'bundles that wait on the disk count too'],
  ),
  defence(
    'a changed record of the journal is none',
    'node/journal-record.ts',
    without('if (crc32(bytes.subarray(offset + 8, end)) !== bytes.readUInt32LE(offset + 4)) return undefined;'),
    ['unit/node/journal.test.ts', 'takes a record whose end is missing or changed for none'],
  ),
  defence(
    'an audit of other bytes is not scored by',
    'run/audited-gold-object.ts',
    instead('if (auditedGoldDigest(text) === digest) return text;', 'if (text) return text;'),
    ['unit/run/audited-gold-object.test.ts', 'no run is scored by an audit that is absent or has other bytes'],
  ),
  defence(
    'nothing submitted is never scored',
    'frameworks/scoring.ts',
    instead('submittedSql !== null && !isEmptySql(submittedSql);', 'submittedSql !== null;'),
    ['process/sql-scoring.test.ts', 'is never passed by nothing'],
  ),
  defence(
    'a statement without end is killed',
    'node/sql-executor.ts',
    instead(
      "if (answer.kind === 'outcome') return answer.outcome;\n      await this.#end(child);",
      "if (answer.kind === 'outcome') return answer.outcome;",
    ),
    ['process/sql-executor.test.ts', 'kills a runaway statement at its deadline'],
  ),
  defence(
    'a dry run cannot write',
    'node/sql-executor-process.ts',
    instead("PRAGMA query_only = ${readOnly ? 'ON' : 'OFF'}", "PRAGMA query_only = ${readOnly ? 'OFF' : 'OFF'}"),
    ['process/sql-executor.test.ts', 'refuses writes when read-only'],
    { needsBuild: true },
  ),
];
