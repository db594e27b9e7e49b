/** How caches and references get to where tasks run. */
import { better, differs, holds, type Section } from '../row.ts';

export const setup: Section = {
  title: 'Setup delivery (S)',
  rows: [
    holds('S-01', 'which folders a combination needs, and which it takes if they are there'),
    better(
      'S-02',
      'what is required must be there before anything is made; what is missing is named',
      'a folder counts only with its marker and its KB rows',
    ),
    holds('S-03', 'each artifact goes up per database; some may have a seed and others none'),
    differs(
      'S-04',
      'the roots on a worker are the ones that the local tools use',
      'roots lie in the node’s data dir by content or are given to an embedded run; frameworks get paths, no environment',
    ),
    better(
      'S-05',
      'required setup appears whole or not at all, is fetched once; an absent one is fatal',
      'per database: one that is not whole costs its own tasks only',
    ),
    better(
      'S-06',
      'a seed is merged once and never over what is there',
      'it is taken whole, by one rename, or not at all',
    ),
    better('S-07', 'a seed and a local build are never mixed', 'the hole of the original is closed'),
    holds('S-08', 'which seeds a run has is read from the bucket, never from the shared disk'),
    better(
      'S-09',
      'one lock per database for build, seed, merge and fetch, across processes',
      'a kernel lock that dies with its holder, with the holder’s name for who waits; the head grants encodes across machines',
    ),
  ],
};
