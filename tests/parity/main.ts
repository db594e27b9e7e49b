/**
 * `npm run parity`: writes docs/seed-parity.md. `npm run parity -- --check`: writes nothing, and fails unless the file is what
 * would be written. Both name every row without a test and every title that cites what is no row, and then exit 1.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { seedParity } from './document.ts';
import { prove } from './proof.ts';
import { SECTIONS } from './rows/index.ts';
import { readTitles } from './test-titles.ts';

const root = join(import.meta.dirname, '../..');
const path = join(root, 'docs/seed-parity.md');
const proof = prove(SECTIONS, readTitles(root));
const page = seedParity(proof);
const faults = [...proof.faults];
if (!process.argv.includes('--check')) writeFileSync(path, page);
else if (readFileSync(path, 'utf8') !== page)
  faults.push('docs/seed-parity.md is not what the tests say: npm run parity');

for (const fault of faults) console.error(fault);
const rows = proof.sections.flatMap((section) => section.rows);
const shown = rows.filter(({ tests }) => tests.length > 0).length;
console.log(`${rows.length} rows, ${shown} of them shown by tests, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
