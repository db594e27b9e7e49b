/**
 * `npm run defences [-- TEXT]`: switches each defence off (those whose name has TEXT in it), runs the tests that it names, and
 * counts those that notice. First all of these tests run with every defence in place: what fails then proves nothing.
 *
 * Exit code 1 unless all are noticed.
 */
import { join } from 'node:path';

import { CopyOfTree, endWithRunner, patternOf, type TestRun } from './copy-of-tree.ts';
import { switchOff, type Defence, type Detectors } from './defence.ts';
import { DEFENCES } from './list/index.ts';

const AT_ONCE = 2;
const TEST_MS = 10_000;
const ONE_MS = 60_000;
const ALL_MS = 240_000;

const root = join(import.meta.dirname, '../..');
const asked = process.argv[2] ?? '';
const chosen = DEFENCES.filter(({ name }) => name.includes(asked));
if (chosen.length === 0) throw new Error(`no defence has ${JSON.stringify(asked)} in its name`);

/** Titles of `detectors` that no test of `names` has. */
function unmatched(detectors: readonly Detectors[], names: readonly string[]): string[] {
  const titles = detectors.flatMap((one) => one.titles);
  return titles.filter((title) => !names.some((name) => new RegExp(patternOf(title), 'u').test(name)));
}

async function judge(copy: CopyOfTree, { noticedBy, needsBuild, ...rest }: Defence): Promise<string | undefined> {
  try {
    const run: TestRun = await copy.changed(
      rest.file,
      (source) => switchOff(rest, source),
      needsBuild,
      () => copy.test(noticedBy, { workers: 1, testMs: TEST_MS, limitMs: ONE_MS }),
    );
    if (run.broken.length > 0) return `BROKEN: ${run.broken[0]?.split('\n')[0]}`;
    const silent = unmatched(noticedBy, run.failed);
    return silent.length === 0 ? undefined : `UNNOTICED by: ${silent.join('; ')}`;
  } catch (error) {
    return `BROKEN: ${(error as Error).message}`;
  }
}

endWithRunner();
await using first = await CopyOfTree.make(root);
await using second = await CopyOfTree.make(root);
const detectors = chosen.flatMap(({ noticedBy }) => noticedBy);
const baseline = await first.test(detectors, { workers: AT_ONCE, testMs: ALL_MS, limitMs: ALL_MS });
const wrong = [...baseline.failed, ...baseline.broken, ...unmatched(detectors, baseline.passed)];
for (const name of wrong) console.error(`fails or is absent with every defence in place: ${name}`);

let detected = 0;
if (wrong.length === 0) {
  const queue = chosen.values();
  const work = async (copy: CopyOfTree): Promise<void> => {
    for (const defence of queue) {
      const startMs = performance.now();
      const fault = await judge(copy, defence);
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      if (fault === undefined) detected += 1;
      console.log(`${fault ?? 'detected'}  ${defence.name} (${seconds} s)`);
    }
  };
  await Promise.all([first, second].map(work));
}
console.log(`${detected}/${chosen.length} detected`);
process.exitCode = detected === chosen.length ? 0 : 1;
