/** What `submit` was asked for, from its flags alone: nothing is looked at yet. */
import { availableParallelism } from 'node:os';

import { checkCombination, parseMode, parseQueryMode, parseSlayerSetup } from '../frameworks/registry.ts';
import { parseRunId } from '../kernel/ids.ts';
import type { FlagSpec } from './command.ts';
import type { Flags } from './flags.ts';
import { frameworkChoice, OWN_FRAMEWORK_FLAGS, type FrameworkChoice } from './own-framework.ts';
import { selectionOf, TASK_WAYS, type Selection } from './select-tasks.ts';
import { MAX_ACTORS } from './shared-flags.ts';
import { parseCount, parseMilliseconds, parseSeconds } from './values.ts';

/** What a run is made of; a run's manifest gives it back (`run-to-end.ts`). */
export interface Submission extends FrameworkChoice {
  readonly queryMode: 'raw' | 'slayer';
  readonly mode: 'a-interact' | 'c-interact' | 'oracle';
  readonly slayerSetup: 'pre-encoded' | 'on-the-fly';
  readonly encoder: string;
  readonly sqlTimeoutMs: number;
  readonly graceMs: number;
  readonly actorBlockTimeoutMs: number;
  readonly actors: number;
  /** How often a lost task is started again. */
  readonly retryLost: number;
  /** Null: as the head was told. */
  readonly lostAfterMs: number | null;
  /** Tasks out at once over all nodes; 0 = no limit. */
  readonly maxInFlight: number;
  /** Undefined: one is minted. */
  readonly runId: string | undefined;
  readonly selection: Selection;
}

/** The flags of a run that are its own; with the defaults of issue and README. */
export const RUN_FLAGS = {
  framework: {
    value: 'NAME|FILE',
    describe: 'what an actor runs for a task: encode, noop, or a file of yours, ./mine.ts',
    default: 'encode',
  },
  ...OWN_FRAMEWORK_FLAGS,
  'query-mode': { value: 'NAME', describe: 'slayer or raw', default: 'slayer' },
  mode: { value: 'NAME', describe: 'a-interact, or oracle: submit the gold SQL and score it', default: 'a-interact' },
  'slayer-setup': { value: 'NAME', describe: 'on-the-fly or pre-encoded', default: 'on-the-fly' },
  'run-id': { value: 'ID', describe: 'lower-case letters, digits and -; absent: one is made' },
  'sql-timeout-ms': { value: 'MS', describe: 'what the SQL of a task may take', default: '3000' },
  'actor-block-timeout': {
    value: 'SECONDS',
    describe: 'an actor that does not answer for so long is lost; 0 = never',
    default: '60',
  },
  'retry-lost': {
    value: 'N',
    describe: 'how often a task is started again whose actor or node was lost; 0 = its actor-lost row stays',
    default: '1',
  },
  'lost-after': {
    value: 'SECONDS',
    describe: 'how long a node may be silent before its tasks are lost',
    default: 'that of the head',
  },
  'max-in-flight': { value: 'N', describe: 'tasks out at once over all nodes; 0 = no limit', default: '0' },
} as const satisfies Record<string, FlagSpec>;

/** @throws SkeinError INVALID_INPUT naming the flag, the value and what would be right */
export async function submissionOf(flags: Flags): Promise<Submission> {
  const choices = {
    ...(await frameworkChoice(flags, RUN_FLAGS.framework.default)),
    queryMode: parseQueryMode(flags.get('query-mode') ?? RUN_FLAGS['query-mode'].default),
    mode: parseMode(flags.get('mode') ?? RUN_FLAGS.mode.default),
    slayerSetup: parseSlayerSetup(flags.get('slayer-setup') ?? RUN_FLAGS['slayer-setup'].default),
  };
  const runId = flags.get('run-id');
  const lostAfter = flags.get('lost-after');
  const submission = {
    ...choices,
    encoder: flags.get('encoder') ?? 'rules',
    sqlTimeoutMs: parseMilliseconds('--sql-timeout-ms', flags.get('sql-timeout-ms') ?? '3000'),
    graceMs: graceOf(flags) ?? 10_000,
    actorBlockTimeoutMs: parseSeconds('--actor-block-timeout', flags.get('actor-block-timeout') ?? '60'),
    actors: actorsOf(flags) ?? availableParallelism(),
    retryLost: parseCount('--retry-lost', flags.get('retry-lost') ?? '1', { min: 0, max: 1000 }),
    lostAfterMs: lostAfter === undefined ? null : parseSeconds('--lost-after', lostAfter),
    maxInFlight: parseCount('--max-in-flight', flags.get('max-in-flight') ?? '0', { min: 0, max: 1_000_000 }),
    runId: runId === undefined ? undefined : parseRunId('--run-id', runId),
    selection: await selectionOf(flags, TASK_WAYS),
  };
  const hasOptions = flags.get('framework-options') !== undefined;
  checkCombination({ ...choices, isOwn: choices.modulePath !== undefined, hasOptions });
  return submission;
}

export function actorsOf(flags: Flags): number | undefined {
  const typed = flags.get('actors');
  return typed === undefined ? undefined : parseCount('--actors', typed, { min: 1, max: MAX_ACTORS });
}

export function graceOf(flags: Flags): number | undefined {
  const typed = flags.get('grace');
  return typed === undefined ? undefined : parseSeconds('--grace', typed);
}
