/**
 * Which choices of a run go together (§3B, L-02): the one guard, asked when a command line is parsed and before anything is
 * made. What a single value may be is its parser's (`registry.ts`, the command line's `values.ts`).
 *
 * Invariant: every refusal is one line that names both sides and what to do instead.
 */
import { SkeinError } from '../kernel/errors.ts';
import type { FrameworkSettings } from './framework.ts';

/** What must be said of a run to know whether its choices go together. */
export interface Combination extends Pick<FrameworkSettings, 'framework' | 'queryMode' | 'mode' | 'slayerSetup'> {
  /** The flags that somebody typed, without dashes; absent: none, every choice is a default. */
  readonly typed?: ReadonlySet<string>;
  /** The framework is a file of the user's. Default false. */
  readonly isOwn?: boolean;
  /** Machines that were asked for. Default 1. */
  readonly workers?: number;
}

/** Flags of the seed's `submit` that this version refuses, each with the reason and the way out (L-02). */
const REFUSED_FLAGS: Readonly<Record<string, string>> = {
  'allow-dirty': 'has no meaning here: no image is built from a working tree, so nothing can be dirty; leave it away',
  'worker-type': 'chooses machines of a cloud, which come later; start nodes yourself: skein start --address HOST:PORT',
};

/** Pairs of flags of which one makes the other senseless. */
const EXCLUSIVE: readonly (readonly [a: string, b: string, why: string])[] = [
  ['detach', 'allow-dirty', 'what goes on without you must be what you can name; leave --allow-dirty away'],
  ['prompt-cache', 'no-prompt-cache', 'give one of them'],
  ['actors', 'actors-per-worker', 'they are two names of one number; give one of them'],
];

/** Whether a run of this framework and mode may call a model: only then keys are asked for, and secrets taken (W-14). */
export function usesModel({ framework, mode }: Pick<Combination, 'framework' | 'mode'>): boolean {
  return mode !== 'oracle' && framework !== 'encode';
}

/**
 * Whether these choices go together. Mode oracle takes no notice of query mode and setup, but runs nothing of the user's; `noop`
 * runs under any; an own framework works in both query modes and is told the mode.
 * @throws SkeinError INVALID_INPUT that names both fields and the way out
 */
export function checkCombination(choices: Combination): void {
  const { framework, queryMode, mode, slayerSetup, isOwn = false, typed = new Set(), workers = 1 } = choices;
  for (const [a, b, why] of EXCLUSIVE) {
    if (typed.has(a) && typed.has(b)) throw invalid(`--${a} and --${b} do not go together: ${why}`, `--${b}`);
  }
  for (const [flag, why] of Object.entries(REFUSED_FLAGS)) if (typed.has(flag)) throw invalid(`--${flag} ${why}`, flag);
  if (workers !== 1) {
    const instead = 'start nodes with skein start --address HOST:PORT --actors N, and give that address here';
    throw invalid(`--workers: "${workers}" machines are not started by a submit: ${instead}`, '--workers');
  }
  if (typed.has('use-audited-gold-sql') && !typed.has('audited-gold')) {
    const text = '--use-audited-gold-sql works only with --audited-gold DIR, which says where it lies';
    throw invalid(text, '--use-audited-gold-sql');
  }
  if (typed.has('user-sim-model') && !typed.has('agent-model')) {
    throw invalid('--user-sim-model works only with --agent-model: it plays the user of an agent', '--user-sim-model');
  }
  for (const flag of ['secret', 'secrets-file']) {
    if (!typed.has(flag) || usesModel(choices)) continue;
    const what = mode === 'oracle' ? '--mode oracle' : `--framework ${framework}`;
    throw invalid(`--${flag} does not go with ${what}, which has no use for a secret; leave it away`, `--${flag}`);
  }
  if (isOwn && mode === 'oracle') {
    const text = '--mode oracle submits the gold SQL and runs no framework; leave --framework or --mode away';
    throw invalid(text, '--mode');
  }
  if (typed.has('framework-options') && !isOwn) {
    const text = '--framework-options goes with a framework that is a file of yours: --framework ./mine.ts';
    throw invalid(text, '--framework-options');
  }
  if (mode === 'oracle') return;
  if (isOwn && queryMode === 'slayer' && slayerSetup !== 'on-the-fly') {
    const text = `--slayer-setup ${slayerSetup} works with no framework of this version; choose on-the-fly, or --query-mode raw`;
    throw invalid(text, '--slayer-setup');
  }
  if (framework === 'encode') checkEncode(choices);
  checkSetup(typed, queryMode, slayerSetup, framework);
}

function checkEncode({ framework, queryMode, mode, slayerSetup }: Combination): void {
  const what = `--framework ${framework}`;
  if (queryMode !== 'slayer') throw onlyWith(what, '--query-mode slayer', `--query-mode ${queryMode}`);
  if (mode !== 'a-interact') throw onlyWith(what, '--mode a-interact', `--mode ${mode}`);
  if (slayerSetup !== 'on-the-fly') throw onlyWith(what, '--slayer-setup on-the-fly', `--slayer-setup ${slayerSetup}`);
}

/** Raw mode has no semantic layer to set up; a root of encoded models is for those who encode none. */
function checkSetup(typed: ReadonlySet<string>, queryMode: string, slayerSetup: string, framework: string): void {
  if (typed.has('slayer-storage-root')) {
    const what = '--slayer-storage-root';
    if (queryMode !== 'slayer') throw onlyWith(what, '--query-mode slayer', `--query-mode ${queryMode}`);
    if (slayerSetup !== 'pre-encoded')
      throw onlyWith(what, '--slayer-setup pre-encoded', `--slayer-setup ${slayerSetup}`);
  }
  if (framework !== 'noop' && typed.has('slayer-setup') && queryMode !== 'slayer') {
    throw onlyWith(`--slayer-setup ${slayerSetup}`, '--query-mode slayer', `--query-mode ${queryMode}`);
  }
}

function onlyWith(what: string, needs: string, not: string): SkeinError {
  return invalid(`${what} works only with ${needs}, not with ${not}`, what.split(' ', 1)[0] ?? what);
}

function invalid(message: string, field: string): SkeinError {
  return new SkeinError('INVALID_INPUT', message, { fields: { field: field.startsWith('--') ? field : `--${field}` } });
}
