import { describe, expect, it } from 'vitest';

import { checkCombination, usesModel, type Combination } from '../../../src/frameworks/combination.ts';

const encode: Combination = {
  framework: 'encode',
  queryMode: 'slayer',
  mode: 'a-interact',
  slayerSetup: 'on-the-fly',
};
const own: Combination = { ...encode, framework: './mine.ts' };
const typed = (...flags: string[]): { typed: ReadonlySet<string> } => ({ typed: new Set(flags) });

describe('the one guard of a run’s choices', () => {
  it.each<[string, Combination, RegExp]>([
    ['encode in raw mode', { ...encode, queryMode: 'raw' }, /--framework encode .*--query-mode slayer.*raw/],
    ['encode in c-interact', { ...encode, mode: 'c-interact' }, /--framework encode .*--mode a-interact/],
    ['encode of encoded models', { ...encode, slayerSetup: 'pre-encoded' }, /--framework encode .*on-the-fly/],
    [
      'a setup in raw mode',
      { ...own, queryMode: 'raw', ...typed('slayer-setup') },
      /--slayer-setup on-the-fly works only with --query-mode slayer, not with --query-mode raw/,
    ],
    [
      'a storage root for models that are encoded here',
      { ...own, ...typed('slayer-storage-root') },
      /--slayer-storage-root works only with --slayer-setup pre-encoded/,
    ],
    [
      'a dirty detach',
      { ...encode, ...typed('detach', 'allow-dirty') },
      /--detach and --allow-dirty do not go together/,
    ],
    ['a dirty tree', { ...encode, ...typed('allow-dirty') }, /--allow-dirty has no meaning here/],
    ['a machine of a cloud', { ...encode, ...typed('worker-type') }, /--worker-type .*skein start --address/],
    ['machines', { ...encode, workers: 4 }, /--workers: "4" .*skein start --address/],
    ['two numbers of actors', { ...encode, ...typed('actors', 'actors-per-worker') }, /two names of one number/],
    ['both caches', { ...encode, ...typed('prompt-cache', 'no-prompt-cache') }, /--no-prompt-cache do not go together/],
    ['audited gold of nowhere', { ...encode, ...typed('use-audited-gold-sql') }, /only with --audited-gold DIR/],
    ['a user of no agent', { ...own, ...typed('user-sim-model') }, /--user-sim-model works only with --agent-model/],
    ['a secret for encode', { ...encode, ...typed('secret') }, /--secret does not go with --framework encode/],
    [
      'a file of secrets for oracle',
      { ...own, mode: 'oracle', ...typed('secrets-file') },
      /--secrets-file does not go with --mode oracle/,
    ],
  ])('refuses %s in one line that says what to do (L-02)', (_what, choices, message) => {
    expect(() => checkCombination(choices)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(message) }),
    );
    expect(() => checkCombination(choices)).not.toThrow(/\n/);
  });

  it('lets defaults, oracle, noop and frameworks of one’s own through', () => {
    checkCombination(encode);
    checkCombination({ ...encode, workers: 1, ...typed('detach', 'actors', 'prompt-cache', 'slayer-setup') });
    checkCombination({ ...encode, mode: 'oracle', queryMode: 'raw', slayerSetup: 'pre-encoded' });
    checkCombination({ ...encode, framework: 'noop', queryMode: 'raw', ...typed('slayer-setup', 'secret') });
    checkCombination({ ...own, queryMode: 'raw', mode: 'c-interact', ...typed('agent-model', 'user-sim-model') });
    checkCombination({ ...own, slayerSetup: 'pre-encoded', ...typed('slayer-storage-root') });
  });

  it('knows which runs may call a model', () => {
    expect([encode, { ...own, mode: 'oracle' as const }, own, { ...encode, framework: 'noop' }].map(usesModel)).toEqual(
      [...[false, false, true, true]],
    );
  });
});
