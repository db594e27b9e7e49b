/** What the reviews of the original found, each a way to lose money or to trust a wrong cache. */
import { better, differs, holds, later, type Section } from '../row.ts';

export const findings: Section = {
  title: 'Review findings (H, M, L, Cdx, CR, Codex)',
  rows: [
    holds('H1', 'a merge showed its marker over half of the content'),
    holds(['H2', 'M6'], 'an upload that failed was remembered as done'),
    holds(['H3', 'M3 restart'], 'an actor that came back put the seed over what was built meanwhile'),
    holds('H4', 'two processes built one database and raced at the commit'),
    holds('M1', 'a fetch during an upload merged half a shard'),
    holds('M2', 'an absent optional seed was an error, and helpers could fail a task'),
    holds('M3 marker', 'a marker could be read half-written'),
    better(
      'M4',
      'the report had no fixed shape, and a death in mid-task lost the debug bundle',
      'the loss is at most one interval of snapshots',
    ),
    holds('M5', 'locks were never tested across processes'),
    differs('L1', 'sorting was not exact, and files of two shards could mix', 'one whole shard, so that nothing mixes'),
    holds(['Cdx-1', 'CR-1'], 'a merged file lost the time of its source'),
    holds('CR-2', 'references were shipped by runs that built none'),
    holds('Cdx-2', 'whoever waited for the lock encoded everything again'),
    holds('CR outside-diff', 'a reference that is a marker and little else was taken for a seed'),
    later('Cdx2-1', 'the second caller of the image build broke unseen', 'comes with the image rows (I)'),
    holds('Cdx2-2', 'merging seeds by time means nothing after a download'),
    holds('Cdx2-3', 'a merge unlinked the marker, then read its time as 0'),
    holds('CR r2', 'left-overs without marker switched off the reuse of a peer’s commit'),
    holds('Codex r3', 'the seeds of a run were read from the shared disk'),
    holds('Codex r5', 'deciding per file mixed two fingerprints under one marker'),
    holds(['Codex r6', 'Codex r6 major'], 'files of the old reference stayed under the new marker'),
    holds('Codex r6 minor', 'nobody saw the merge report'),
    holds('Codex r7', 'a database that was lost beside a whole one was not reported'),
    later(
      'worktree safety',
      'the image lacked a data root when it was built from a worktree',
      'comes with the image rows (I)',
    ),
  ],
};
