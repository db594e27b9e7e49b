/** Hosts a node on a data dir until a fail point kills it: `node-child.ts <options as JSON>`. */
import { armFailPoint } from '../../src/kernel/failpoint.ts';
import { openStore } from '../../src/store/open.ts';
import { startDataDirNode } from '../helpers/data-dir-node.ts';

const { storeUrl, failPoint, token, ...options } = JSON.parse(process.argv[2] ?? '{}') as {
  storeUrl: string;
  failPoint: string;
  token: string;
  name: string;
  dataDir: string;
  address: string;
};
armFailPoint(failPoint);
await startDataDirNode({ ...options, security: { token }, store: await openStore(storeUrl) });
