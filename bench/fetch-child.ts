/** One fetch, in a process of its own: `node fetch-child.ts STORE OUT REFERENCES [GCS-ENDPOINT]`. Prints what it took as JSON. */
import { leanMemoryOfFetch } from '../dist/cli/lean-memory.js';
import { fetchRun } from '../dist/head/fetch.js';
import { LockKeeper } from '../dist/node/lock-keeper.js';
import { openStore } from '../dist/store/open.js';
import { RUN } from './fetch-run.ts';

// As the command does.
leanMemoryOfFetch();
const [url = '', outDir = '', referenceRoot = '', endpoint = ''] = process.argv.slice(2);
await using store = await openStore(url, '--store', { gcsEndpoint: endpoint || undefined });
await using locks = new LockKeeper();
const begin = performance.now();
let last = begin;
const phases: string[] = [];
const result = await fetchRun({
  store,
  runId: RUN,
  outDir,
  referenceRoot,
  withLock: (database, work) => locks.hold({ root: referenceRoot, database, owner: 'bench' }, work),
  onPhase: (phase) => {
    phases.push(`${(performance.now() - last).toFixed(0)} ms, then ${phase}`);
    last = performance.now();
  },
});
const ms = performance.now() - begin;
console.error(`  ${phases.join(' ')} ${(performance.now() - last).toFixed(0)} ms; in all ${ms.toFixed(0)} ms`);
const { downloaded, mergeReport } = result;
const peakRssMb = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ ms, peakRssMb, downloaded, merged: mergeReport.merged_dbs.length }));
