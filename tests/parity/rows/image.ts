/** The image and the cloud cluster: a later version. */
import { later, type Row, type Section } from '../row.ts';

const IMAGE = 'the image and its tags are another version’s work';
const CLUSTER =
  'making cloud machines (`up`, `down`, `doctor`) is another version’s work; nodes are started by their operator';

const asks = (prefix: string, why: string, texts: readonly string[]): Row[] =>
  texts.map((text, at) => later(`${prefix}-${String(at + 1).padStart(2, '0')}`, text, why));

export const image: Section = {
  title: 'Image (I) and cloud cluster (K)',
  rows: [
    ...asks('I', IMAGE, [
      'the tag is made of a data hash and a code hash',
      'hashes are over paths and bytes, never times',
      'what the data hash covers, whatever the checkout',
      'what the code hash covers',
      'data roots beside the build tree',
      'sentinels divide the image file, and their absence is an error',
      'an uncommitted tree is refused, and a broken git too',
      'an image that is there is not built again',
      'code from this worktree, data from the main checkout',
      'what the layers hold, in which order',
    ]),
    ...asks('K', CLUSTER, [
      'a fresh cluster of fixed size whose head takes no actors',
      'labels tie machines to runs',
      'machines delete themselves',
      'a key of its own',
      'the job is submitted from inside, without public ports',
      'liveness by label',
      'prerequisites in order, each with its remedy',
      'roles of submitter and workers',
      'every deployment name can be set',
    ]),
  ],
};
