/** Numbers and names, in the order of the original's table. */
import { better, differs, holds, later, notOffered, type Section } from '../row.ts';

export const constants: Section = {
  title: 'Constants (N)',
  rows: [
    differs('N-01', 'heartbeat every 30 s, stalled after 300 s', 'a beat every 5 s; stalled after 300 s as there'),
    holds('N-02', 'a look every 10 s, given up 3600 s after the last new row'),
    holds('N-03', 'at most 32 transfers at once'),
    holds('N-04', 'six encodes of a database at once'),
    differs(
      'N-05',
      'three restarts, no retries',
      'one retry of what was lost with its actor or node, none of what failed',
    ),
    differs(
      'N-06',
      '4 × 4 tasks at once, eight hours',
      'as many actors as a node has cores; a run has an end of its time where `--max-runtime-hours` says one',
    ),
    holds('N-07', 'thirty days'),
    differs('N-08', 'fingerprints of 16 and run tokens of 6 hex digits', 'as there; tags come with the image rows (I)'),
    holds('N-09', 'results show five rows and count to 10,000'),
    holds('N-10', 'the names of a shard’s side-car and marker'),
    differs(
      'N-11',
      'the names of the setup’s markers and of the lock',
      'each database is whole by its own marker; `.download_complete` stands for pre-encoded models, which have none',
    ),
    differs('N-12', 'the names of temporary files', 'all begin with a dot and name their process; dead ones are swept'),
    better('N-13', 'transcripts go up every 20 s', 'every 10 s, and `--snapshot-every` sets it'),
    notOffered(
      'N-14',
      'how many tests there were',
      'a figure of the original’s history; ours are counted by every run',
    ),
    later(
      'N-15',
      'one real round trip over the cloud',
      'comes with the cloud cluster (K); the round trip runs over emulated buckets',
    ),
  ],
};
