/** All rows, in the order of the page. */
import type { Section } from '../row.ts';
import { bucket } from './bucket.ts';
import { caches } from './caches.ts';
import { collation } from './collation.ts';
import { commands } from './commands.ts';
import { constants } from './constants.ts';
import { crashes } from './crashes.ts';
import { done } from './done.ts';
import { findings } from './findings.ts';
import { image } from './image.ts';
import { laterVersions } from './later-versions.ts';
import { merge } from './merge.ts';
import { pains } from './pains.ts';
import { scoring } from './scoring.ts';
import { setup } from './setup.ts';
import { uploadBack } from './upload-back.ts';
import { worker } from './worker.ts';

export const SECTIONS: readonly Section[] = [
  commands,
  bucket,
  setup,
  worker,
  uploadBack,
  merge,
  findings,
  collation,
  image,
  crashes,
  constants,
  caches,
  scoring,
  laterVersions,
  pains,
  done,
];
