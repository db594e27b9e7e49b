/**
 * A head daemon that a fail point kills. Arguments: the store's folder, the token, fail point (or `-`). Says `ready <port>`.
 * Compiled modules: many of these start at once, and stripping types would be most of their time.
 */
import { randomUUID } from 'node:crypto';

import { Head } from '../../dist/head/head.js';
import { armFailPoint } from '../../dist/kernel/failpoint.js';
import { createLogger } from '../../dist/kernel/log.js';
import { openStore } from '../../dist/store/open.js';

const [dir = '', token = '', point = '-'] = process.argv.slice(2);
armFailPoint(point === '-' ? undefined : point);
const head = await Head.start({
  store: await openStore(`file://${dir}`),
  security: { token },
  log: createLogger(process.env['SKEIN_TEST_LOG'], 'debug'),
  kind: 'daemon',
  headId: 'head-1',
  bootId: randomUUID(),
  settleMs: 2_000,
});
process.stdout.write(`ready ${head.address.split(':')[1]}\n`);
