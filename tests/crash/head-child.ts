/** A head daemon that a fail point kills. Arguments: the store's folder, fail point (or `-`). Says `ready <port>`. */
import { randomUUID } from 'node:crypto';

import { Head } from '../../src/head/head.ts';
import { armFailPoint } from '../../src/kernel/failpoint.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { openStore } from '../../src/store/open.ts';
import { TOKEN } from '../helpers/scripted-node.ts';

const [dir = '', point = '-'] = process.argv.slice(2);
armFailPoint(point === '-' ? undefined : point);
const head = await Head.start({
  store: await openStore(`file://${dir}`),
  security: { token: TOKEN },
  log: createLogger(process.env['SKEIN_TEST_LOG'], 'debug'),
  kind: 'daemon',
  headId: 'head-1',
  bootId: randomUUID(),
  settleMs: 2_000,
});
process.stdout.write(`ready ${head.address.split(':')[1]}\n`);
