/**
 * What a collation depends on, as one digest that is made while a run is mirrored: the manifest, how many lost attempts are
 * run again, what was resubmitted, and name, size and time of every row object in the order of the listing.
 *
 * Invariant: I1 the digest is given only if every row that was listed lay in the mirror already, as it was listed: whatever
 * was written or could not be fetched makes the rows be read.
 */
import { createHash } from 'node:crypto';

import { VERSION } from '../kernel/version.ts';
import type { Floors } from '../run/attempt-record.ts';
import type { Manifest } from '../run/manifest.ts';
import type { DownloadOptions } from '../store/prefix.ts';

const ROWS = 'rows/';

export class CollationInputs implements Required<Pick<DownloadOptions, 'onListed' | 'onChanged'>> {
  readonly #hash = createHash('sha256');
  #hasChanged = false;

  constructor(manifest: Manifest, retryLost: number, floors: Floors) {
    // What another version makes of the same rows may differ. A manifest never changes, so its fields keep their order.
    this.#hash.update(JSON.stringify([VERSION, retryLost, [...floors].sort(([a], [b]) => (a < b ? -1 : 1)), manifest]));
  }

  readonly onListed: NonNullable<DownloadOptions['onListed']> = (path, { sizeBytes, updatedMs }) => {
    if (path.startsWith(ROWS)) this.#hash.update(`${path}\0${sizeBytes}\0${updatedMs}\n`);
  };

  readonly onChanged = (path: string): void => {
    if (path.startsWith(ROWS)) this.#hasChanged = true;
  };

  /** Whether rows were written to the mirror, or could not be. */
  get hasChanged(): boolean {
    return this.#hasChanged;
  }

  /** Once, when everything was listed. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}
