/**
 * The frameworks by name, and the words of a run's other choices (§3B). The command line asks here before anything is
 * made; an actor makes its framework here.
 *
 * Not here: which choices go together (`combination.ts`), what the names of encoders are (`src/encoder/registry.ts`).
 */
import { closest } from 'fastest-levenshtein';

import { SkeinError } from '../kernel/errors.ts';
import type { Combination } from './combination.ts';
import type { Framework, FrameworkSettings } from './framework.ts';

export { checkCombination, usesModel, type Combination } from './combination.ts';

/** Frameworks that `--framework` takes; `noop` does nothing and is there for measuring. */
export const FRAMEWORKS = ['encode', 'noop'] as const;
export type FrameworkName = (typeof FRAMEWORKS)[number];
export const MODES = ['a-interact', 'c-interact', 'oracle'] as const;
export const QUERY_MODES = ['raw', 'slayer'] as const;
export const SLAYER_SETUPS = ['pre-encoded', 'on-the-fly'] as const;

/** Other names under which the seed system knows our frameworks. */
const ALIASES: Readonly<Record<string, FrameworkName>> = { pydantic_ai_otf_encode: 'encode' };
/** Frameworks of the seed system that need a model: later versions. */
const NOT_OFFERED = ['claude_sdk', 'pydantic_ai', 'pydantic_ai_recursive', 'mcp_agent', 'agno', 'smolagents'];

/** Names that no file of the user's may take: rows and setup would mean something else by them. */
export const RESERVED_NAMES: readonly string[] = [...FRAMEWORKS, ...Object.keys(ALIASES), ...NOT_OFFERED, 'oracle'];

/** The framework called `text`, aliases resolved. @throws SkeinError INVALID_INPUT, with the nearest name */
export function parseFramework(text: string, field = '--framework'): FrameworkName {
  const name = ALIASES[text] ?? text;
  if (isOneOf(FRAMEWORKS, name)) return name;
  const instead = `choose ${FRAMEWORKS.join(' or ')}, a file of yours (./mine.ts), or --mode oracle, which needs no framework`;
  if (NOT_OFFERED.includes(text)) {
    throw invalid(
      `${field}: ${text} is not offered in this version (agents with a model come later); ${instead}`,
      field,
    );
  }
  if (text === 'oracle') throw invalid(`${field}: oracle is a mode, not a framework: say --mode oracle`, field);
  return parseChoice(field, name, FRAMEWORKS, [...Object.keys(ALIASES), ...NOT_OFFERED]);
}

/** Our name of a framework that a manifest names, which may be the original's; any other text stays. */
export function canonicalFramework(text: string): string {
  return ALIASES[text] ?? text;
}

/** @throws SkeinError INVALID_INPUT, with the nearest name */
export function parseMode(text: string, field = '--mode'): FrameworkSettings['mode'] {
  if (text === 'one-shot') {
    throw invalid(
      `${field}: one-shot is for benchmarks without a user, which are not offered; choose ${MODES.join(', ')}`,
      field,
    );
  }
  return parseChoice(field, text, MODES);
}

/** @throws SkeinError INVALID_INPUT, with the nearest name */
export function parseQueryMode(text: string, field = '--query-mode'): FrameworkSettings['queryMode'] {
  return parseChoice(field, text, QUERY_MODES);
}

/** @throws SkeinError INVALID_INPUT, with the nearest name */
export function parseSlayerSetup(text: string, field = '--slayer-setup'): FrameworkSettings['slayerSetup'] {
  return parseChoice(field, text, SLAYER_SETUPS);
}

/** How rows, manifest and results name a run's framework and query mode: under mode oracle `oracle` and `raw`. */
export function namesInRows({ framework, queryMode, mode }: Pick<Combination, 'framework' | 'queryMode' | 'mode'>): {
  framework: string;
  query_mode: FrameworkSettings['queryMode'];
  mode: FrameworkSettings['mode'];
} {
  return mode === 'oracle'
    ? { framework: 'oracle', query_mode: 'raw', mode }
    : { framework, query_mode: queryMode, mode };
}

/** A new instance of the framework that `settings` ask for; its module is loaded only now. @throws SkeinError INVALID_INPUT | CORRUPT */
export async function createFramework(settings: FrameworkSettings): Promise<Framework> {
  if (settings.own) {
    return await (await import('./own/hosted-framework.ts')).HostedFramework.open(settings, settings.own);
  }
  if (settings.mode === 'oracle') return new (await import('./oracle.ts')).OracleFramework();
  const name = parseFramework(settings.framework);
  switch (name) {
    case 'encode':
      return new (await import('./encode.ts')).EncodeFramework();
    case 'noop':
      return new (await import('./noop.ts')).NoopFramework(settings);
  }
}

function isOneOf<T extends string>(names: readonly T[], text: string): text is T {
  return (names as readonly string[]).includes(text);
}

function parseChoice<T extends string>(
  field: string,
  text: string,
  names: readonly T[],
  alsoKnown: readonly string[] = [],
): T {
  if (isOneOf(names, text)) return text;
  const nearest = closest(text, [...names, ...alsoKnown]);
  throw invalid(`${field}: ${JSON.stringify(text)} is none of ${names.join(', ')}; did you mean ${nearest}?`, field);
}

function invalid(message: string, field: string): SkeinError {
  return new SkeinError('INVALID_INPUT', message, { fields: { field } });
}
