/** How references come home. */
import { better, differs, holds, type Section } from '../row.ts';

export const merge: Section = {
  title: 'Merging references (M)',
  rows: [
    holds('M-01', 'the shards of one run, and no other; none is an empty report'),
    holds('M-02', 'a half-uploaded slice gives nothing, however new'),
    differs(
      'M-03',
      'per file the newest of all whole slices',
      'one whole shard by default, since files of two encodes never mix; `--merge-mode per-file` is the rule of the original',
    ),
    better(
      'M-04',
      'shard or local, as a whole; equal stays local',
      'build times are carried; times of files count only where there are none',
    ),
    holds('M-05', 'a slice without the reference’s marker touches nothing and is reported'),
    holds('M-06', 'marker off first, stale files away, content, marker last, all under the lock'),
    holds('M-07', 'merged files keep the time of their source'),
    holds('M-08', 'an older shard never takes the marker off a newer reference'),
    holds('M-09', 'no file of the old reference survives under the new marker'),
    better(
      'M-10',
      'a report names what was merged, lost and ignored',
      'also slices that were refused, with the reason',
    ),
    better(
      'M-11',
      'names in side-cars are not to be trusted',
      'a slice with a hostile, missing or damaged file is refused whole, before the local marker is touched',
    ),
  ],
};
