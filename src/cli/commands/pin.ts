/** What a person types for `skein pin` and `skein unpin`; what they do is in `actions/pin.ts`. */
import { CLUSTER_FLAGS } from '../cluster-flags.ts';
import type { Command } from '../command.ts';
import * as shared from '../shared-flags.ts';

const flags = {
  store: shared.STORE,
  ...CLUSTER_FLAGS,
  json: { describe: 'one JSON object on stdout instead of a line' },
} satisfies Command['flags'];

export const pin: Command = {
  name: 'pin',
  describe: 'Keep a run for longer than its bucket does',
  positionals: [{ name: 'run', describe: 'its id' }],
  flags,
  examples: [
    ['skein pin try-1 --store gs://bucket/team', 'the rule that clears runs away after 30 days spares it'],
    ["skein list --json | jq -r '.runs[] | select(.pinned).run_id'", 'those that are pinned'],
  ],
  run: async (typed, context) => (await import('../actions/pin.ts')).pin(typed, context),
};

export const unpin: Command = {
  name: 'unpin',
  describe: 'Let a pinned run go as its bucket lets runs go',
  positionals: [{ name: 'run', describe: 'its id' }],
  flags,
  examples: [['skein unpin try-1 --store gs://bucket/team', 'what is older than 30 days goes within a day']],
  run: async (typed, context) => (await import('../actions/pin.ts')).unpin(typed, context),
};
