/** What `submit` was asked for, from its flags alone: nothing is looked at yet. */
import { availableParallelism } from 'node:os';
import { isAbsolute } from 'node:path';

import { checkCombination, parseMode, parseQueryMode, parseSlayerSetup } from '../frameworks/registry.ts';
import { parseRunId } from '../kernel/ids.ts';
import type { FlagSpec } from './command.ts';
import type { Flags } from './flags.ts';
import { frameworkChoice, OWN_FRAMEWORK_FLAGS, type FrameworkChoice } from './own-framework.ts';
import { selectionOf, TASK_WAYS, type Selection } from './select-tasks.ts';
import { MAX_ACTORS } from './shared-flags.ts';
import { invalid, parseCount, parseHours, parseMilliseconds, parseModel, parseSeconds } from './values.ts';

/** What a run is made of; a run's manifest gives it back (`run-to-end.ts`). */
export interface Submission extends FrameworkChoice {
  readonly queryMode: 'raw' | 'slayer';
  readonly mode: 'a-interact' | 'c-interact' | 'oracle';
  readonly slayerSetup: 'pre-encoded' | 'on-the-fly';
  readonly encoder: string;
  readonly sqlTimeoutMs: number;
  readonly graceMs: number;
  readonly actorBlockTimeoutMs: number;
  /** Between two snapshots of a running task; 0 = none while it runs. */
  readonly snapshotEveryMs: number;
  readonly actors: number;
  /** How often a lost task is started again. */
  readonly retryLost: number;
  /** Null: as the head was told. */
  readonly lostAfterMs: number | null;
  /** Tasks out at once over all nodes; 0 = no limit. */
  readonly maxInFlight: number;
  /** Empty: none. */
  readonly agentModel: string;
  readonly userSimModel: string;
  readonly patience: number;
  readonly strict: boolean;
  readonly maxDepth: number;
  readonly promptCache: boolean;
  readonly slayerStorageRoot: string;
  /** What the run may take at a head before it is stopped; 0 = as long as it takes. */
  readonly maxRuntimeHours: number;
  /** Undefined: one is minted. */
  readonly runId: string | undefined;
  readonly selection: Selection;
}

/** Who plays the user where an agent has a model and nobody says otherwise (L-02). */
const USER_SIM_MODEL = 'anthropic/claude-haiku-4-5-20251001';

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
  'snapshot-every': {
    value: 'SECONDS',
    describe: 'how often what a running task has written goes to the store; 0 = only when it ends',
    default: '10',
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
  'agent-model': { value: 'NAME', describe: 'the model of an agent, provider/name; its key must be there' },
  'user-sim-model': {
    value: 'NAME',
    describe: 'the model that plays the user of an agent; none: nobody does',
    default: `with --agent-model ${USER_SIM_MODEL}`,
  },
  patience: { value: 'N', describe: 'clarifications that a user puts up with beyond the ambiguities', default: '3' },
  strict: { describe: 'told to the framework: the strict variant of its mode' },
  'use-audited-gold-sql': { describe: 'said by --audited-gold DIR already', isHidden: true },
  'max-depth': { value: 'N', describe: 'how deep a recursive agent may go', default: '3' },
  'prompt-cache': { describe: 'told to the framework: its model may cache prompts (the default)' },
  'no-prompt-cache': { describe: 'told to the framework: its model may not' },
  'slayer-storage-root': {
    value: 'DIR',
    describe: 'with --slayer-setup pre-encoded: where the models lie on the machines that run tasks, for the framework',
  },
  'max-runtime-hours': {
    value: 'HOURS',
    describe: 'the run is stopped when it has taken so long; resume goes on',
    default: 'as long as it takes',
  },
  'actors-per-worker': { value: 'N', describe: 'another name of --actors' },
  workers: { value: 'N', describe: '1; more machines are nodes: skein start --address', isHidden: true },
  'worker-type': { value: 'NAME', describe: 'refused: machines of a cloud come later', isHidden: true },
  'allow-dirty': { describe: 'refused: no image is built', isHidden: true },
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
  const hours = flags.get('max-runtime-hours');
  const workers = parseCount('--workers', flags.get('workers') ?? '1', { min: 1, max: 10_000 });
  // What contradicts itself is said before what is wrong in itself.
  checkCombination({ ...choices, isOwn: choices.modulePath !== undefined, typed: flags.typed, workers });
  const submission = {
    ...choices,
    encoder: flags.get('encoder') ?? 'rules',
    sqlTimeoutMs: parseMilliseconds('--sql-timeout-ms', flags.get('sql-timeout-ms') ?? '3000'),
    graceMs: graceOf(flags) ?? 10_000,
    actorBlockTimeoutMs: parseSeconds('--actor-block-timeout', flags.get('actor-block-timeout') ?? '60'),
    snapshotEveryMs: parseSeconds('--snapshot-every', flags.get('snapshot-every') ?? '10'),
    actors: actorsOf(flags) ?? availableParallelism(),
    retryLost: parseCount('--retry-lost', flags.get('retry-lost') ?? '1', { min: 0, max: 1000 }),
    lostAfterMs: lostAfter === undefined ? null : parseSeconds('--lost-after', lostAfter),
    maxInFlight: parseCount('--max-in-flight', flags.get('max-in-flight') ?? '0', { min: 0, max: 1_000_000 }),
    ...modelsOf(flags, choices.mode),
    patience: parseCount('--patience', flags.get('patience') ?? '3', { min: 0, max: 100_000 }),
    strict: flags.has('strict'),
    maxDepth: parseCount('--max-depth', flags.get('max-depth') ?? '3', { min: 0, max: 1000 }),
    promptCache: !flags.has('no-prompt-cache'),
    slayerStorageRoot: storageRootOf(flags),
    maxRuntimeHours: hours === undefined ? 0 : parseHours('--max-runtime-hours', hours),
    runId: runId === undefined ? undefined : parseRunId('--run-id', runId),
    selection: await selectionOf(flags, TASK_WAYS),
  };
  return submission;
}

/** No model is ever chosen silently: without `--agent-model` there is none. */
function modelsOf(flags: Flags, mode: Submission['mode']): Pick<Submission, 'agentModel' | 'userSimModel'> {
  const agent = flags.get('agent-model');
  if (agent === undefined) return { agentModel: '', userSimModel: '' };
  const agentModel = parseModel('--agent-model', agent);
  const user = flags.get('user-sim-model') ?? (mode === 'oracle' ? 'none' : USER_SIM_MODEL);
  return { agentModel, userSimModel: user === 'none' ? '' : parseModel('--user-sim-model', user) };
}

function storageRootOf(flags: Flags): string {
  const typed = flags.get('slayer-storage-root') ?? '';
  if (typed === '' || isAbsolute(typed)) return typed;
  throw invalid('--slayer-storage-root', typed, 'is not absolute, and it lies on the machines that run tasks');
}

/** `--actors`, or `--actors-per-worker`, its name in the seed. */
export function actorsOf(flags: Flags): number | undefined {
  const name = flags.get('actors') === undefined ? 'actors-per-worker' : 'actors';
  const typed = flags.get(name);
  return typed === undefined ? undefined : parseCount(`--${name}`, typed, { min: 1, max: MAX_ACTORS });
}

export function graceOf(flags: Flags): number | undefined {
  const typed = flags.get('grace');
  return typed === undefined ? undefined : parseSeconds('--grace', typed);
}
