/** The framework that does nothing: what is left of a run's time is the runner's own. For measuring. */
import type { Task } from '../dataset/task.ts';
import { blankRow } from './error-row.ts';
import type { Framework, TaskContext, TaskRow } from './framework.ts';

export class NoopFramework implements Framework {
  runTask(task: Task, context: TaskContext): Promise<TaskRow> {
    context.log(`noop: ${task.instance_id}`);
    return Promise.resolve(blankRow(task, Date.now() / 1000));
  }
}
