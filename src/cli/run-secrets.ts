/**
 * The secrets of a run on the submitter's side: which it needs (W-14), where their values are, and who may be told.
 *
 * They come from `--secrets-file` or the environment of whoever submits, resumes or resubmits; all three ask here, so that a
 * missing key is found before anything is made (P-27).
 *
 * Invariants: Q1 a value is never in an error, and after it was taken not in the environment either. Q2 nothing crosses a
 * network in plain text unless somebody typed that it may.
 */
import { isLoopback } from '../daemon/bind.ts';
import { usesModel, type Combination } from '../frameworks/combination.ts';
import { SkeinError } from '../kernel/errors.ts';
import { knowSecrets } from '../kernel/mask.ts';
import { secretNameFault, Secrets } from '../kernel/secrets.ts';
import type { Manifest } from '../run/manifest.ts';
import type { CliContext } from './context.ts';
import type { Flags } from './flags.ts';
import type { LiveHead } from './run-place.ts';
import { readSecretsFile } from './secrets-file.ts';

/** Keys by what a model's name begins with (W-14). */
const KEYS: readonly (readonly [prefix: RegExp, key: string])[] = [
  [/^anthropic\//, 'ANTHROPIC_API_KEY'],
  [/^cerebras\//, 'CEREBRAS_API_KEY'],
  [/^(?:openai\/|gpt)/, 'OPENAI_API_KEY'],
  [/^(?:gemini|google)\//, 'GEMINI_API_KEY'],
];
/** What the semantic layer embeds by, where a model uses it. */
const EMBEDDING_KEY = 'OPENAI_API_KEY';

/** What must be said of a run to know its keys. */
export interface ModelChoices extends Pick<Combination, 'framework' | 'mode'> {
  readonly queryMode: string;
  readonly agentModel: string;
  readonly userSimModel: string;
}

/** The keys that a run needs, each with the reason; none where nothing calls a model. */
export function neededKeys(choices: ModelChoices): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  const { agentModel, userSimModel, queryMode } = choices;
  if (!usesModel(choices) || agentModel === '') return keys;
  const models = [
    ['--agent-model', agentModel],
    ['--user-sim-model', userSimModel],
  ] as const;
  for (const [flag, model] of models) {
    const key = KEYS.find(([prefix]) => prefix.test(model))?.[1];
    if (key !== undefined && !keys.has(key)) keys.set(key, `${flag} ${model}`);
  }
  if (queryMode === 'slayer' && !keys.has(EMBEDDING_KEY)) keys.set(EMBEDDING_KEY, 'embeddings of --query-mode slayer');
  return keys;
}

/**
 * What a run that is about to be made gets: the keys of its models, what `--secret` names, and all of the file.
 * @throws SkeinError INVALID_INPUT | PREFLIGHT with the lines that mend it
 */
export async function submittedSecrets(flags: Flags, context: CliContext, choices: ModelChoices): Promise<Secrets> {
  const file = await fileOf(flags);
  const needed = new Map([...neededKeys(choices), ...namesOf(flags).map((name) => [name, '--secret'] as const)]);
  return taken(new Map([...needed, ...file.names.map((name) => [name, '--secrets-file'] as const)]), file, context);
}

/**
 * What a run that stands in the store needs to go on, at `head` if there is one.
 * @throws SkeinError INVALID_INPUT | PREFLIGHT, as above and as `refuseOpenWire`
 */
export async function storedSecrets(
  flags: Flags,
  context: CliContext,
  manifest: Manifest,
  head: LiveHead | undefined,
): Promise<Secrets> {
  const reason = `run ${manifest.run_id}`;
  const secrets = taken(new Map(manifest.secret_names.map((name) => [name, reason])), await fileOf(flags), context);
  refuseOpenWire(secrets, head, flags);
  return secrets;
}

/** A submit may attach to a run that was made with more. @throws SkeinError PREFLIGHT with the lines that mend it */
export function refuseMissing(secrets: Secrets, manifest: Manifest): void {
  const missing = secrets.missing(manifest.secret_names);
  if (missing.length > 0) throw missingError(new Map(missing.map((name) => [name, `run ${manifest.run_id}`])));
}

/**
 * Nothing is sent where others could read it on its way.
 * @param head undefined: head and node are inside this command
 * @throws SkeinError INVALID_INPUT
 */
export function refuseOpenWire(secrets: Secrets, head: LiveHead | undefined, flags: Flags): void {
  if (!head || secrets.isEmpty || flags.has('insecure') || head.isTls) return;
  const isFar = !isLoopback(head.address.slice(0, head.address.lastIndexOf(':')));
  if (!isFar && !head.facts.isPlainNetwork) return;
  const where = isFar ? 'between here and there' : 'between it and its nodes';
  throw new SkeinError(
    'INVALID_INPUT',
    `--address: the head at ${head.address} uses no TLS, so ${secrets.names.join(', ')} would travel in plain text ${where}; ` +
      'start it with --tls-cert and --tls-key, or type --insecure if the network is yours alone',
    { fields: { field: '--address' } },
  );
}

async function fileOf(flags: Flags): Promise<Secrets> {
  const path = flags.get('secrets-file');
  return path === undefined ? Secrets.NONE : readSecretsFile(path);
}

function namesOf(flags: Flags): string[] {
  const typed = flags.get('secret');
  if (typed === undefined) return [];
  const names = typed.split(',').map((name) => name.trim());
  for (const name of names) {
    // Whoever typed NAME=value has shown it to everybody on this machine; it is not shown again.
    const shown = name.includes('=')
      ? 'a value does not belong on a command line, where others see it; give the name'
      : undefined;
    const fault = shown ?? (secretNameFault(name) && `${JSON.stringify(name)} ${secretNameFault(name)}`);
    if (fault) throw new SkeinError('INVALID_INPUT', `--secret: ${fault}`, { fields: { field: '--secret' } });
  }
  return names;
}

/** The value of each of `wanted`: the file's, else the environment's, which then has it no more. */
function taken(wanted: ReadonlyMap<string, string>, file: Secrets, { env, forget }: CliContext): Secrets {
  const inFile = file.reveal();
  const values: Record<string, string> = {};
  for (const name of wanted.keys()) {
    const value = inFile[name] ?? env[name];
    if (value) values[name] = value;
  }
  const secrets = new Secrets(values);
  const missing = secrets.missing(wanted.keys());
  if (missing.length > 0) throw missingError(new Map([...wanted].filter(([name]) => missing.includes(name))));
  knowSecrets(secrets);
  forget?.([...wanted.keys()]);
  return secrets;
}

function missingError(missing: ReadonlyMap<string, string>): SkeinError {
  const listed = [...missing].map(([name, reason]) => `${name} (${reason})`).join(', ');
  return new SkeinError(
    'PREFLIGHT',
    `the run needs secrets that are not there: ${listed}; type the lines below, or give --secrets-file FILE`,
    { fields: { missing: [...missing.keys()].join(',') } },
  );
}
