/** What later versions of the original added. */
import { better, differs, holds, later, notOffered, type Section } from '../row.ts';

export const laterVersions: Section = {
  title: 'Later versions (V)',
  rows: [
    holds('V-01', 'the heartbeat names tasks in flight, the oldest first'),
    better('V-02', 'transcripts go up while tasks run', 'by the daemon, so that they survive the actor'),
    holds('V-03', 'a transcript that grows is progress'),
    better(
      'V-04',
      'evidence is taken before anything is torn down',
      'at any time, from heads, nodes and bucket, each failure named',
    ),
    better('V-05', 'the dataset goes up once per content', 'per database'),
    holds('V-06', 'a missing stage-1 cache is built at submit'),
    differs('V-07', 'one body per task, whatever the store', 'a folder, memory and gs:// are stores of one port'),
    better('V-08', 'a transcript is on the disk at every message', 'on every store'),
    notOffered(
      'V-09',
      'the graded annotation lands before the row',
      'annotation products are out of scope; rows carry the verdict',
    ),
    notOffered(
      'V-10',
      'a graded record for every task',
      'annotation products are out of scope; every id ends with a row',
    ),
    holds('V-11', 'an object that changes under a fetch is skipped'),
    holds('V-12', 'list without a scan; the terminal state first'),
    notOffered('V-13', 'fetch tears the cluster down', 'moot: nodes are long-lived and nothing is left to tear down'),
    holds('V-14', 'a resubmit resets the status first'),
    better('V-15', 'wait, fetch and tear down as one act', 'submit and resume are that act; `wait` is a command'),
    holds('V-16', 'the settings of a run stand in run_metadata'),
    holds('V-17', 'rows say when they began and what was asked'),
    later(
      'V-18',
      'what an encode cost comes home with the reference',
      'comes with encoders that cost something; `rules` costs nothing',
    ),
    better('V-19', 'who made a reference is recorded', 'and compared on every reuse'),
    better('V-20', 'no default that wastes a run', 'the dataset is required; there is no key to fall back on'),
    differs('V-21', 'roots per benchmark', 'one benchmark; caches and references are told apart by content'),
    better('V-22', 'a task has a database file of its own, checked', 'copied through SQLite, write-ahead log included'),
    notOffered('V-23', 'Postgres per machine', 'out of scope'),
    holds('V-24', 'phases are timed in the log'),
    holds('V-25', 'logs of actors are not empty'),
    holds('V-26', 'scratch folders are unique and all of them are shipped'),
    notOffered('V-27', 'half an hour for the tool server to start', 'there is no tool server'),
    differs(
      'V-28',
      'other products on the runner',
      'runs whose output is artifacts: encode, and own frameworks; the rest is out of scope',
    ),
  ],
};
