/**
 * `buildSite` in a process of its own; says what came of it as JSON. Arguments: the site's folder, database, milliseconds
 * that an encode may take, fail point.
 */
import { armFailPoint } from '../../src/kernel/failpoint.ts';
import { buildSite } from './build-site.ts';

const [dir = '', database = '', maxDelayMs = '3', point] = process.argv.slice(2);
armFailPoint(point);
const { wasBuilt, digest, results } = await buildSite(dir, database, { maxDelayMs: Number(maxDelayMs) });
process.stdout.write(`${JSON.stringify({ wasBuilt, digest, count: results.length })}\n`);
