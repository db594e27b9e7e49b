/** What keeps users' code to what was submitted, and a task from what it must not see. */
import { defence, instead, without, type Defence } from '../defence.ts';

export const userCode: readonly Defence[] = [
  defence(
    'an actor compares a framework’s digest before it runs it',
    'frameworks/own/load-module.ts',
    without('await mustBe(module);'),
    ['unit/frameworks/own-load.test.ts', 'is not run when its bytes are not those of its digest'],
  ),
  defence(
    'an actor whose framework did not come to life is replaced',
    'node/run-executor.ts',
    instead('if (outcome.isActorSpent !== true) return', 'if (outcome.row) return'),
    ['process/own-framework.test.ts', 'that cannot be set up gives each task an error row and a new actor'],
    { needsBuild: true },
  ),
  defence(
    'a framework of one’s own sees nothing that its task masks',
    'frameworks/own/knowledge.ts',
    instead('this.#deleted = deletedKbIds(task);', 'this.#deleted = deletedKbIds(task).slice(0, 0);'),
    ['process/own-framework.test.ts', 'sees the reference without what its task masks'],
    { needsBuild: true },
  ),
];
