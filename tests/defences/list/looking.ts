/** What keeps a task that prints or says too much from costing others. */
import { defence, instead, type Defence } from '../defence.ts';

export const looking: readonly Defence[] = [
  defence(
    'the log of a task is cut back while it runs',
    'node/log-slice.ts',
    instead('headBytes + tailBytes + slackBytes) return;', 'Infinity) return;'),
    ['unit/node/log-slice.test.ts', 'does the same when it was cut back again and again'],
  ),
  defence(
    'a row that is too long is cut',
    'frameworks/row-limit.ts',
    instead('if (total <= maxBytes) return row;', 'if (total > 0) return row;'),
    ['unit/frameworks/row-limit.test.ts', 'cuts the longest field first'],
  ),
];
