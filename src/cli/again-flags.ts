/** What `resume` and `resubmit` take alike: a run that was submitted before, whose own settings are the defaults. */
import { CLUSTER_FLAGS } from './cluster-flags.ts';
import type { FlagSpec } from './command.ts';
import { SECRET_FLAGS } from './secret-flags.ts';
import * as shared from './shared-flags.ts';

export const AGAIN_FLAGS: Readonly<Record<string, FlagSpec>> = {
  store: shared.STORE,
  dataset: { ...shared.DATASET, default: 'that of the submit' },
  'cache-root': { ...shared.CACHE_ROOT, default: 'that of the submit' },
  'reference-root': { ...shared.REFERENCE_ROOT, default: 'that of the submit' },
  'accept-reference': shared.ACCEPT_REFERENCE,
  out: shared.OUT,
  actors: { ...shared.ACTORS, default: 'those of the submit' },
  grace: { ...shared.GRACE, default: 'that of the submit' },
  ...CLUSTER_FLAGS,
  ...SECRET_FLAGS,
  detach: { describe: 'with a head elsewhere: leave the run to it' },
  'log-file': shared.LOG_FILE,
  quiet: shared.QUIET,
  json: shared.JSON_FLAG,
};
