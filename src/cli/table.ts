/** Tables without a frame: they stay readable in a log, and `awk` can cut them. */
import Table, { type TableConstructorOptions } from 'cli-table3';

const PARTS = ['top', 'bottom', 'left', 'right', 'mid', 'middle'] as const;
const CROSSINGS = ['top-mid', 'top-left', 'top-right', 'bottom-mid', 'bottom-left', 'bottom-right'] as const;
const SIDES = ['left-mid', 'mid-mid', 'right-mid'] as const;

const FRAMELESS: TableConstructorOptions = {
  style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
  chars: Object.fromEntries([...PARTS, ...CROSSINGS, ...SIDES].map((part) => [part, ''])),
};

export type Cell = string | number;

/** `rows` below `head`. Columns of numbers stand to the right. */
export function tableText(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  isNumber: (column: string) => boolean,
): string {
  const table = new Table({
    ...FRAMELESS,
    head: [...head],
    colAligns: head.map((column) => (isNumber(column) ? 'right' : 'left')),
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replaceAll(/ +$/gm, '');
}
