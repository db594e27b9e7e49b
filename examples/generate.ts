/**
 * Makes the example dataset: `node examples/generate.ts [DIR]`, by default `examples/mini-interact` beside this file.
 * It leaves nothing to chance: every run writes the same tasks, knowledge and rows, whatever the machine and the day.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { beehives } from './mini-interact-generator/beehives.ts';
import { ferries } from './mini-interact-generator/ferries.ts';
import { glassworks } from './mini-interact-generator/glassworks.ts';
import { writeExample } from './mini-interact-generator/write.ts';

const EXAMPLES = [beehives, ferries, glassworks];

/** Writes the whole dataset into `root`. */
export function generate(root: string): void {
  mkdirSync(root, { recursive: true });
  const tasks = EXAMPLES.flatMap((example) => writeExample(root, example));
  writeFileSync(join(root, 'mini_interact.jsonl'), tasks.map((line) => `${line}\n`).join(''));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = process.argv[2] ?? fileURLToPath(new URL('./mini-interact', import.meta.url));
  generate(root);
  process.stdout.write(`wrote ${EXAMPLES.length} databases to ${root}\n`);
}
