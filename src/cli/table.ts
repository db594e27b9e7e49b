/** Tables without a frame: they stay readable in a log, and `awk` can cut them. */
import type { TableConstructorOptions } from 'cli-table3';

const PARTS = ['top', 'bottom', 'left', 'right', 'mid'] as const;

export const FRAMELESS = {
  style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
  chars: {
    ...Object.fromEntries(PARTS.map((part) => [part, ''])),
    ...Object.fromEntries(
      [
        'top-mid',
        'top-left',
        'top-right',
        'bottom-mid',
        'bottom-left',
        'bottom-right',
        'left-mid',
        'mid-mid',
        'right-mid',
      ].map((part) => [part, '']),
    ),
    middle: '',
  },
} satisfies TableConstructorOptions;
