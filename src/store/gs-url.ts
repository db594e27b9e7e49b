/**
 * What a `gs://bucket[/prefix]` URL means. The text is taken as it is: nothing in it is percent-decoded, as in gcloud.
 */
import { SkeinError } from '../kernel/errors.ts';
import { objectNameProblem } from './object-name.ts';

export interface GsPlace {
  readonly bucket: string;
  /** Empty, or with its final `/`: goes before every object name. */
  readonly prefix: string;
  /** The URL in its one normal form, without a final `/`. */
  readonly url: string;
}

/** GCS's rule for names of buckets, as far as it can be told without asking. */
const BUCKET = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;

/**
 * @param field what the URL is for, as the user wrote it; the error's text names it
 * @throws SkeinError INVALID_INPUT that names the value and what is wrong with it
 */
export function parseGsUrl(url: string, field: string): GsPlace {
  const refuse = (why: string): never => {
    throw new SkeinError('INVALID_INPUT', `${field}: ${JSON.stringify(url)}: ${why}; write gs://bucket[/prefix]`, {
      fields: { field },
    });
  };
  const match = /^gs:\/\/([^/]*)(?:\/(.*))?$/is.exec(url);
  if (match === null) return refuse('it is no gs:// URL');
  const [, bucket = '', rest = ''] = match;
  if (!BUCKET.test(bucket)) return refuse(`${JSON.stringify(bucket)} cannot be the name of a bucket`);
  const folder = rest.replace(/\/$/, '');
  if (folder === '') return { bucket, prefix: '', url: `gs://${bucket}` };
  if (/[#?]/.test(folder)) return refuse("'#' and '?' are read as something else by other tools");
  const problem = objectNameProblem(`${folder}/x`);
  if (problem !== undefined) return refuse(`the prefix is refused: ${problem}`);
  return { bucket, prefix: `${folder}/`, url: `gs://${bucket}/${folder}` };
}
