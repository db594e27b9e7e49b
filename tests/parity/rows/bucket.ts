/** What lies where in the bucket. */
import { better, differs, holds, later, type Section } from '../row.ts';

export const bucket: Section = {
  title: 'The bucket (B)',
  rows: [
    better(
      'B-01',
      'all of a run under one prefix, with fixed names; one object per id and attempt',
      'rows are created, never overwritten: a second result lies beside the first',
    ),
    holds('B-02', 'attempts are ordered as numbers; other files beside rows are passed over'),
    better('B-03', 'a prefix is fetched whole and over what is there', 'no name of an object leads out of the folder'),
    holds('B-04', 'a folder goes up with every file, binary, hidden and empty ones too'),
    differs(
      'B-05',
      'runs are deleted after 30 days, by a rule beside the rules that the bucket has',
      'set when a gs:// store is opened for a run; a pinned run outlives it; rights of service accounts are the operator’s',
    ),
    later('B-06', 'a trace of how an image was made', 'comes with the image rows (I); the original never wrote it'),
    better(
      'B-07',
      'datasets lie under their content, the marker last',
      'per database, so that a change ships that database only',
    ),
  ],
};
