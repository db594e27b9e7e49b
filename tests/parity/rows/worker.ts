/** Actors, tasks, heartbeat, logs and secrets. */
import { better, differs, holds, type Section } from '../row.ts';

export const worker: Section = {
  title: 'Actors and tasks (W)',
  rows: [
    differs(
      'W-01',
      'a long-lived actor that comes back when it dies and runs one task at a time',
      'a dead one is replaced by a new thread without inherited state, as long as actors start at all; the daemon holds the store client',
    ),
    holds('W-02', 'an actor keeps its framework between tasks'),
    better(
      'W-03',
      'the dispatcher knows which task died with an actor',
      'an actor stays with its database, and others help out when nothing else waits',
    ),
    holds('W-04', 'a task that throws becomes an error row; nobody else notices'),
    better(
      'W-05',
      'the task of an actor that dies becomes actor-lost, and no other',
      'the cause stands in the row, and the task is tried again while --retry-lost allows',
    ),
    better(
      'W-06',
      'what escapes a task becomes a row, so that no hole is left',
      'a row that the store refuses is kept in the spool until it is stored',
    ),
    holds('W-07', 'a task that could not be handed over becomes dispatch-failure'),
    holds('W-08', 'when no actor starts any more, every waiting id still gets a row'),
    better('W-09', 'rows without a result have the keys of real ones', 'with the database of the task'),
    better('W-10', 'row, then log, then the bundles', 'the daemon ships them, so that they survive the actor'),
    better(
      'W-11',
      'a heartbeat tells that the run lives, and how it ended',
      'trouble with the store is told and tried again; a head that lost its lease is fenced',
    ),
    differs(
      'W-12',
      'everything a task and its children print is caught, per task',
      'by patched streams and piped children instead of file descriptors, which threads share',
    ),
    differs(
      'W-13',
      'keys reach actors and nothing else',
      'over the authenticated connection and in memory only, never through a file on the node',
    ),
    holds('W-14', 'which keys a run needs follows from its models; a missing one stops it before any cost'),
    holds('W-15', 'audited gold is applied where tasks are scored, also on a cluster'),
    differs(
      'W-16',
      'paths are found at use, not at import',
      'they are arguments and places of a data dir; no code below the command line reads the environment',
    ),
    better('W-17', 'the same code in one process', 'the embedded default is the real head and the real node'),
  ],
};
