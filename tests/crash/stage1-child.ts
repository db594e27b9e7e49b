/** Builds a stage-1 cache as a submit does, in a process that a fail point kills. Arguments: dataset, database, cache root, fail point. */
import { armFailPoint } from '../../src/kernel/failpoint.ts';
import { ensureCache } from '../../src/reference/stage1.ts';

const [dir = '', database = '', cacheRoot = '', point] = process.argv.slice(2);
armFailPoint(point);
await ensureCache({ dataset: { dir }, database, cacheRoot });
