/** The two caches of a database, and what a task gets of them. */
import { better, differs, holds, notOffered, type Section } from '../row.ts';

export const caches: Section = {
  title: 'Stage 1, stage 2, knowledge graph, task stores (D, R, G, T)',
  rows: [
    holds('D-01', 'three inputs; a missing one is named'),
    holds('D-02', 'the datasource of a cache names the database of this machine'),
    better(
      'D-03',
      'models from the tables, described, with a column per JSON leaf, without any model call',
      'the same bytes as the real tool, made here: no subprocess',
    ),
    holds('D-04', 'the whole KB as memories, the same bytes each time'),
    notOffered(
      'D-05',
      'vectors of the memories',
      'needs an embedding model; one that a seed brings is carried along and masked',
    ),
    holds('D-06', 'the parsed KB rows'),
    holds('D-07', 'the marker comes last and means: whole'),
    better('D-08', 'a fingerprint of the inputs', 'of content only, so that machines can compare'),
    better('D-09', 'a marked cache is reused', 'only while its inputs are the same'),
    holds('D-10', 'built aside, committed by a rename; left-overs are removed, a peer’s work never'),
    better('D-11', 'one build at a time in a process', 'across processes too where a cache stands that is stale'),
    differs(
      'D-12',
      'force rebuilds both stages',
      'the builder can, no flag asks for it: what has other inputs is rebuilt by itself, the rest is moved away by hand',
    ),

    better('R-01', 'the files of a reference', 'our own record lies beside the folder, so that the files are theirs'),
    better('R-02', 'its fingerprint is that of its inputs', 'encoder and version are compared on reuse too'),
    holds('R-03', 'a reference without readable KB rows is an error, never rebuilt in silence'),
    holds('R-04', 'a reference is reused before stage 1 is touched'),
    holds('R-05', 'built aside, portable again before the marker, committed by rename'),
    better(
      'R-06',
      'one builder per database, across processes',
      'waiters block no loop and are told who holds the lock',
    ),
    holds('R-07', 'who waited looks again and takes what the peer made'),
    holds('R-08', 'a commit replaces left-overs, and marked folders only when told which'),
    holds('R-09', 'a folder without marker is absent for everybody'),
    differs('R-10', 'force goes down to stage 1', 'as D-12'),

    holds('G-01', 'edges from one number, a list or nothing'),
    holds('G-02', 'cycles and what stands on them are deferred, with the cycle named'),
    holds('G-03', 'children first, once each, six at a time'),
    holds('G-04', 'the encoder sees who depends on an item'),
    holds('G-05', 'one result per row of the KB, sorted'),
    better(
      'G-06',
      'two items that write one entity both lose it',
      'and so do those that use it; what stage 1 had there returns',
    ),
    holds('G-07', 'memories tell what became of their item'),
    holds('G-08', 'the builder is given its encoder'),

    holds('T-01', 'how a memory is written'),
    holds('T-02', 'a task’s datasource leads to its own database'),
    holds('T-03', 'what a task must not see is gone from memories, entities and rows'),
    better('T-04', 'no task changes the reference', 'a task that changes nothing needs no copy'),
    better(
      'T-05',
      'scratch folders of two runs do not meet',
      'a name of its own per start, below the folder of the run in one life of the node',
    ),
  ],
};
