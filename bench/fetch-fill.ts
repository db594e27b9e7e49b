/** Puts the run of a folder into a bucket as it lies there: `node fetch-fill.ts FOLDER GCS-ENDPOINT`. */
import { join } from 'node:path';

import { openStore } from '../dist/store/open.js';
import { uploadTree } from '../dist/store/prefix.js';
import { RUN } from './fetch-run.ts';

const [folder = '', gcsEndpoint = ''] = process.argv.slice(2);
await using store = await openStore('gs://skein-test/bench', '--store', { gcsEndpoint });
await uploadTree(store, join(folder, 'runs', RUN), `runs/${RUN}/`, { concurrency: 32 });
