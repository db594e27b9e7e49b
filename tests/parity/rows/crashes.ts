/** What survives which death, in the order of the original's table. */
import { better, differs, holds, type Section } from '../row.ts';

export const crashes: Section = {
  title: 'Crash matrix (X)',
  rows: [
    holds('X-01', 'a task raises: everything else survives; row and log for it'),
    better(
      'X-02',
      'an actor dies in a task: actor-lost, and the others survive',
      'the bundle too, but for one interval',
    ),
    differs(
      'X-03',
      'an actor dies more often than it may: the others carry on',
      'there is no count of restarts: actors are made as long as they start, and three failed starts in a row end the node’s try',
    ),
    better(
      'X-04',
      'a machine dies: finished rows survive',
      'its next life on the same data dir ships rows and references that were not stored yet',
    ),
    better('X-05', 'the head dies: finished rows survive, waiters are told', 'the next head goes on with the run'),
    better('X-06', 'a row cannot be stored: a verdict instead', 'the row itself is kept and stored later'),
    differs('X-07', 'Ctrl-C: bucket intact, cluster gone', 'the nodes stay, the run can be resumed'),
    differs(
      'X-08',
      'the submitter is killed or forgets the run: it ends by itself',
      'on a cluster it goes on and is fetched later, inside a command it is resumed; machines are not the submitter’s',
    ),
    holds('X-09', 'the submitter’s machine is lost: fetch, kill and resubmit from any other'),
    holds('X-10', 'a shard’s upload dies midway: ignored and named'),
    holds('X-11', 'a merge dies midway: no marker, the next fetch merges again'),
    holds('X-12', 'a build dies midway: the target is untouched, the left-over goes'),
    better('X-13', 'a seed’s download dies midway: tried again', 'whole or not at all'),
    holds('X-14', 'a required download dies midway: nothing is left'),
    better(
      'X-15',
      'a fetch during the run: partial and consistent',
      'objects that change meanwhile are skipped and named',
    ),
  ],
};
