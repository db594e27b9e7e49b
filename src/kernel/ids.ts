/**
 * The ids of Skein, and the glossary. Ids are validated, never hashed: they appear as they are in objects, paths and
 * lock names (seed-system L-14, P-23, P-44).
 *
 * - run: one submission over a list of instance ids
 * - task: one instance id of one database
 * - attempt: 1, 2, 3 …; (task, attempt) names exactly one row for ever
 * - batch: tasks of ONE database that the head hands to ONE node
 * - framework: what an actor runs for a task
 * - actor: a worker thread that hosts one object and keeps its state between calls
 * - node: the daemon that hosts actors; head: the process that owns runs
 * - cache (stage 1): deterministic per-database models; reference (stage 2): the encoded knowledge on top
 * - shard: one actor's upload of references that it built
 */
import { randomBytes } from 'node:crypto';

import { SkeinError } from './errors.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const RUN_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Whether `text` may name an instance, a database or a node: no `/`, no leading dot, so never a path of its own. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/**
 * `text` as an id, or INVALID_INPUT that names the field and the value.
 * @param field what the id is for, as the user wrote it: `--instance-ids`, `tasks line 3: selected_database`
 */
export function parseName(field: string, text: string): string {
  if (isName(text)) return text;
  throw new SkeinError(
    'INVALID_INPUT',
    `${field}: ${JSON.stringify(text)} is no legal name: letters, digits, '.', '_' and '-', at most 128, the first a letter or digit`,
    { fields: { field } },
  );
}

/** Whether `text` may name a run. */
export function isRunId(text: string): boolean {
  return RUN_ID.test(text);
}

/** `text` as a run id (also a label and a host name part, hence lower case), or INVALID_INPUT. */
export function parseRunId(field: string, text: string): string {
  if (RUN_ID.test(text)) return text;
  throw new SkeinError(
    'INVALID_INPUT',
    `${field}: ${JSON.stringify(text)} is no legal run id: lower-case letters, digits and '-', at most 63, the first a letter or digit`,
    { fields: { field } },
  );
}

/**
 * A new run id: `<UTC yyyymmdd 't' HHMM>-<framework>-<query mode>-<6 hex>` (L-14). The framework loses `_` and is cut so
 * that `ray-<id>-worker-<8>-compute` stays within 63 characters.
 */
export function mintRunId(framework: string, queryMode: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replaceAll('-', '').replace(':', '').replace('T', 't').slice(0, 13);
  const longest = 63 - 28 - 13 - queryMode.length - 6 - 3;
  const slug = framework
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .slice(0, longest);
  return `${stamp}-${slug}-${queryMode}-${randomBytes(3).toString('hex')}`;
}
