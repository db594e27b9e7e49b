/**
 * A framework of the user's own on the command line: what `--framework ./mine.ts` means, its way into the store, and
 * whether it may run where the run goes.
 *
 * Invariants: F1 a run goes on with the bundle that it was submitted with, whatever became of the file since; who goes on
 * is told when it differs. F2 a head that runs no users' code is asked before anything is made.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

import { frameworkNameOf, isModulePath } from '../frameworks/own/module-path.ts';
import type { FrameworkBundle } from '../frameworks/own/bundle.ts';
import { parseFramework, RESERVED_NAMES } from '../frameworks/registry.ts';
import { SkeinError, systemCode } from '../kernel/errors.ts';
import type { Manifest } from '../run/manifest.ts';
import type { ObjectStore } from '../store/port.ts';
import type { FlagSpec } from './command.ts';
import type { Flags } from './flags.ts';
import type { ProgressView } from './progress-view.ts';
import type { LiveHead } from './run-place.ts';
import { invalid } from './values.ts';

/** What a run runs, from the flags alone. */
export interface FrameworkChoice {
  /** As rows call it. */
  readonly framework: string;
  /** The user's file, absolute; undefined: one of ours. */
  readonly modulePath: string | undefined;
  /** `--framework-options`. */
  readonly options: Readonly<Record<string, unknown>>;
}

export const OWN_FRAMEWORK_FLAGS = {
  'framework-options': {
    value: 'JSON|FILE',
    describe: 'a JSON object, or a file with one, that your framework finds in its settings; stored, so no secrets',
  },
} as const satisfies Record<string, FlagSpec>;

/** @throws SkeinError INVALID_INPUT naming the flag */
export async function frameworkChoice(flags: Flags, byDefault: string): Promise<FrameworkChoice> {
  const typed = flags.get('framework') ?? byDefault;
  const modulePath = isModulePath(typed) ? resolve(typed) : undefined;
  const options = flags.get('framework-options');
  return {
    framework: modulePath === undefined ? parseFramework(typed) : frameworkNameOf(modulePath, RESERVED_NAMES),
    modulePath,
    options: options === undefined ? {} : await parseOptions('--framework-options', options),
  };
}

async function parseOptions(field: string, typed: string): Promise<Record<string, unknown>> {
  const isText = typed.trimStart().startsWith('{');
  const text = isText
    ? typed
    : await readFile(resolve(typed), 'utf8').catch((cause: unknown) => {
        throw invalid(field, typed, `is neither a JSON object nor a file that can be read (${systemCode(cause)})`);
      });
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw invalid(field, typed, isText ? 'is no JSON object' : 'holds no JSON object');
}

/** The bundle of the user's file, made now. @throws SkeinError INVALID_INPUT with file, line and column */
export async function bundleOf({ modulePath }: FrameworkChoice): Promise<FrameworkBundle | undefined> {
  if (modulePath === undefined) return undefined;
  return await (await import('../frameworks/own/bundle.ts')).bundleFramework(modulePath);
}

/** Ships the bundle, if the store does not have it. @throws SkeinError PREFLIGHT | CANCELLED | the store's */
export async function shipFramework(
  store: ObjectStore,
  bundle: FrameworkBundle | undefined,
  signal: AbortSignal,
  view: ProgressView,
): Promise<void> {
  if (!bundle) return;
  const { uploadFramework } = await import('../run/framework-upload.ts');
  view.phase('uploading the framework');
  const isNew = await uploadFramework(store, bundle, { signal });
  const kilobytes = Math.ceil(bundle.bytes.byteLength / 1000);
  view.note(
    `framework ${bundle.file}: ${isNew ? `uploaded ${kilobytes} kB` : 'as in the store'}, ${bundle.digest.slice(0, 12)}`,
  );
}

/** @throws SkeinError PREFLIGHT when the run brings its own framework and `head` runs none */
export function refuseUserCode(
  head: LiveHead | undefined,
  { framework_bundle: bundle }: Pick<Manifest, 'framework_bundle'>,
): void {
  if (!bundle || !head || head.facts.userCodeRefused === '') return;
  throw new SkeinError(
    'PREFLIGHT',
    `--framework: ${JSON.stringify(bundle.file)} is not run at ${head.address}: ${head.facts.userCodeRefused}; submit without --address, or to a cluster that runs users' code`,
    { fields: { field: '--framework' } },
  );
}

/** Says so when the file that the run was submitted with is another one by now (F1). Never fails. */
export async function noteChangedFramework({ framework_bundle: bundle }: Manifest, view: ProgressView): Promise<void> {
  if (!bundle?.path) return;
  const { bundleFramework } = await import('../frameworks/own/bundle.ts');
  const goesOn = `the run goes on with the framework as it was submitted, ${bundle.digest.slice(0, 12)}`;
  try {
    const now = await bundleFramework(bundle.path);
    if (now.digest !== bundle.digest) view.note(`${bundle.path} has changed since the submit; ${goesOn}`);
  } catch {
    view.note(`${bundle.path} cannot be bundled any more; ${goesOn}`);
  }
}
