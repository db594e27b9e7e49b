/** What a task sends home beside its row. */
import { better, holds, type Section } from '../row.ts';

export const uploadBack: Section = {
  title: 'Upload-back (U)',
  rows: [
    better(
      'U-01',
      'a task’s scratch folder goes up byte for byte; none, none',
      'snapshots at an interval survive the death of actor and node',
    ),
    better(
      'U-02',
      'the encoder’s sessions of a database go up when they changed since the task began',
      'tasks that end side by side ship them once',
    ),
    holds('U-03', 'only a new, marked reference of an encoding run is shipped'),
    better('U-04', 'content, then the times, then the marker', 'with a record of digests, epoch and builder before it'),
    better('U-05', 'a failed upload is tried again', 'and flushed when the run ends, in the next life too'),
    better('U-06', 'upload-back never fails a task', 'failures are counted by kind and shown'),
    better('U-07', 'hidden folders, equal fingerprints and trees in flux were holes', 'closed'),
  ],
};
