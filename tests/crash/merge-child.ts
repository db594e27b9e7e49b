/** Merges as `fetch` does, in a process that a fail point or the test kills. Arguments: shards, root, fail point. */
import { armFailPoint } from '../../src/kernel/failpoint.ts';
import { mergeShards } from '../../src/reference/merge.ts';

const [shardsDir = '', referenceRoot = '', point] = process.argv.slice(2);
armFailPoint(point);
const report = await mergeShards({ shardsDir, referenceRoot, withLock: (_database, work) => work() });
process.stdout.write(JSON.stringify(report));
