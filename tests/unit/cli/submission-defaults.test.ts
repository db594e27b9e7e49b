import { availableParallelism } from 'node:os';

import { expect, test } from 'vitest';

import type { Command } from '../../../src/cli/command.ts';
import { flagsOf } from '../../../src/cli/flags.ts';
import { RUN_FLAGS, submissionOf } from '../../../src/cli/submission.ts';

const SUBMIT: Command = {
  name: 'submit',
  describe: '',
  positionals: [],
  flags: { ...RUN_FLAGS, all: { describe: '' }, actors: { value: 'N', describe: '' } },
  examples: [],
  run: () => Promise.resolve(0),
};

test('a run has as many actors as there are cores, one retry of what is lost, a snapshot every 10 s, and no end of its time (N-05, N-06, N-13)', async () => {
  const submission = await submissionOf(flagsOf(SUBMIT, { _: ['submit'], $0: 'skein', all: true }, []));
  expect(submission).toMatchObject({ actors: availableParallelism(), retryLost: 1, maxInFlight: 0, lostAfterMs: null });
  expect(submission.snapshotEveryMs).toBe(10_000);
});
