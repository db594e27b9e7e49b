/** Ships a setup in a process that a fail point kills. Arguments: store URL, folder of caches and references, fail point. */
import { join } from 'node:path';

import { armFailPoint } from '../../src/kernel/failpoint.ts';
import { uploadSetup } from '../../src/reference/setup-upload.ts';
import { openStore } from '../../src/store/open.ts';

const [url = '', dir = '', point] = process.argv.slice(2);
armFailPoint(point);
await using store = await openStore(url);
await uploadSetup(store, 'r1', {
  combo: { queryMode: 'slayer', slayerSetup: 'on-the-fly', framework: 'encode' },
  roots: { slayer_otf_cache: join(dir, 'caches'), slayer_models_otf: join(dir, 'references') },
  databases: ['shop', 'farm'],
});
