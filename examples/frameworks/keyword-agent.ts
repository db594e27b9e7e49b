/**
 * A whole agent without a model: it matches the words of the question with those of the reference (what columns mean, what
 * the knowledge is called), and writes SQL for what it found. It knows a few ways of asking and nothing of any database.
 *
 *     skein submit --dataset examples/mini-interact --all --framework examples/frameworks/keyword-agent.ts
 */
import type { AgentContext, AgentTask, Answer, Framework, SetupContext } from 'skein/framework';

import { Catalogue } from './keyword-agent/catalogue.ts';
import { planOf } from './keyword-agent/plan.ts';
import { sqlOf } from './keyword-agent/sql-writer.ts';

export default class KeywordAgent implements Framework {
  /** What the agent knows of a database, kept from task to task: most tasks of a database see the same knowledge. */
  readonly #catalogues = new Map<string, Catalogue>();
  #tasks = 0;

  setup({ settings, log }: SetupContext): void {
    if (settings.queryMode !== 'slayer')
      throw new Error('the keyword agent reads the reference: say --query-mode slayer');
    log('keyword agent: ready');
  }

  async runTask(task: AgentTask, context: AgentContext): Promise<Answer> {
    this.#tasks += 1;
    const question = task.amb_user_query;
    context.transcript({ role: 'user', content: question });
    const catalogue = await this.#catalogue(context);
    const plan = planOf(question, catalogue);
    context.log(`plan: ${JSON.stringify(plan.summary)}`);
    const fields = { keyword_agent: { nth_task_of_actor: this.#tasks, databases_known: this.#catalogues.size } };
    if (!plan.target) return { fields, query: plan.summary, turns: 1 };
    const sql = sqlOf(plan, catalogue);
    context.transcript({ role: 'assistant', content: sql });
    // An answer that does not run is no answer; the agent says what it tried all the same.
    const outcome = await (await context.sql()).run(sql, { readOnly: true, maxRows: 5 });
    context.log(outcome.kind === 'rows' ? `runs: ${outcome.rows.length} rows or more` : `fails: ${outcome.message}`);
    return { sql, query: plan.summary, fields, turns: 1 };
  }

  async #catalogue(context: AgentContext): Promise<Catalogue> {
    const store = await context.store();
    // A task that masks knowledge sees another catalogue than the others.
    const key = `${store.database} ${store.fingerprint} ${store.kb.map(({ id }) => id).join()}`;
    let known = this.#catalogues.get(key);
    if (!known) this.#catalogues.set(key, (known = new Catalogue(store)));
    return known;
  }
}
