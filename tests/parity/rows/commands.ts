/** Commands and the life of a run, as its submitter sees it. */
import { better, differs, holds, later, type Section } from '../row.ts';

export const commands: Section = {
  title: 'Commands and the life of a run (L)',
  rows: [
    better(
      'L-01',
      'one program with sub-commands that take a run id by position',
      'also `wait`, `logs`, `show`, `diagnose`, `resume`, `pin`, `encode`, `status`, `start` and `stop`; `build` comes with the image rows',
    ),
    differs(
      'L-02',
      'submit: what to run, over which ids, with fixed defaults; one guard for combinations, before any cost',
      'the agents of the original, and the shape of a cloud cluster, are not offered: such a flag is refused in one line with the one to use',
    ),
    differs(
      'L-03',
      'submit checks everything before it costs anything; the manifest stands before the setup goes up',
      'there is no image and no cluster to make, and the first status is the head’s own, so that no race is left',
    ),
    differs(
      'L-04',
      'a detached run outlives the submitter, and a submit that failed leaves nothing that costs money',
      'a submit owns no machines: the head has the run as soon as it has acknowledged it',
    ),
    better(
      'L-05',
      'wait ends in one of six states, tried in a fixed order at each look',
      'a head daemon that is away has the time of a stall to come back; each end names the next command',
    ),
    better('L-06', 'the exit code of wait tells how it ended', 'submit, resume and fetch end with it too'),
    better(
      'L-07',
      'fetch mirrors the run, collates it and merges its references; it may be repeated, and during the run',
      'what did not change is not read again',
    ),
    differs(
      'L-08',
      'kill works from any machine, twice too, and leaves the bucket as it is',
      'it stops the run at its head; nodes are long-lived and stay',
    ),
    better('L-09', 'list has a line per run with its state and its count of rows', 'it never lists what runs hold'),
    later('L-10', 'build makes and pushes the image and nothing else', 'comes with the image rows (I)'),
    better(
      'L-11',
      'resubmit runs again what has no good row, under a number above that of every id; the latest attempt counts',
      '`resume` beside it goes on with the same attempt where rows are missing',
    ),
    holds('L-12', 'neither the old end nor the old rows of a resubmitted run end the wait for it'),
    differs(
      'L-13',
      'the first Ctrl-C cleans up once and ends with 130, the second leaves at once',
      'the first gives started tasks a grace and says how to go on; on a cluster it leaves the run to the head',
    ),
    better(
      'L-14',
      'run ids say when, what and how, and fit the limits of host names and labels',
      'ids that people choose are held to the same alphabet',
    ),
    differs(
      'L-15',
      'tasks of one database lie next to each other, sorted by database and id; the manifest keeps the order of the user',
      'the sorted list is where dispatch starts; nodes then stay with a database by affinity',
    ),
    better(
      'L-16',
      'the manifest tells every later command what it needs; old ones lack fields',
      'unknown fields are kept',
    ),
    better(
      'L-17',
      'the status is the run’s heartbeat; an unreadable one counts as none',
      'it is replaced at its own generation, and also shows tasks in flight, nodes, actors and failures of helpers',
    ),
    differs(
      'L-18',
      'what a run is started with survives versions that know fewer or more settings',
      'no argument list: the manifest is the one document, with defaults for what it lacks',
    ),
  ],
};
