/**
 * A reader that holds no lock: copies the reference for as long as it runs, as a task does, and prints every
 * copy that a visible marker vouched for and that was mixed all the same. Arguments: reference folder, how many files a
 * build has. Ends with stdin.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const [dir = '', files = ''] = process.argv.slice(2);
const marker = join(dir, '_reference_fp.txt');
const counts = { whole: 0, absent: 0, changed: 0, mixed: [] as string[] };
let isOver = false;
process.stdin.on('end', () => (isOver = true)).resume();

/** Marker as inode and text. */
function look(): string | undefined {
  try {
    return `${statSync(marker).ino}:${readFileSync(marker, 'utf8')}`;
  } catch {
    return undefined;
  }
}

function copy(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.')) return [];
    return entry.isDirectory() ? copy(path) : [readFileSync(path, 'utf8')];
  });
}

function once(): void {
  const before = look();
  if (before === undefined) return void (counts.absent += 1);
  let texts: string[];
  try {
    texts = copy(dir);
  } catch {
    return void (counts.changed += 1);
  }
  if (look() !== before) return void (counts.changed += 1);
  counts.whole += 1;
  // Every file says which build it belongs to.
  const flavours = new Set(texts.map((text) => /build-\d+/.exec(text)?.[0]));
  if (flavours.size !== 1 || texts.length !== Number(files))
    counts.mixed.push(`${texts.length} files of ${[...flavours].join()}`);
}

while (!isOver) {
  for (let round = 0; round < 20; round += 1) once();
  await new Promise(setImmediate);
}
process.stdout.write(JSON.stringify(counts));
