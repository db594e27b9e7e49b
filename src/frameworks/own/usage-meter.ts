/** Sums up what one attempt's calls of models cost, as the row's `usage` shows it (§3A). */
import type { Usage } from '../framework.ts';
import type { UsageCounter, UsagePart } from './interface.ts';

const COUNTERS = [
  'prompt_tokens',
  'completion_tokens',
  'reasoning_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'n_calls',
  'cost_usd',
] as const;

type Sums = Record<(typeof COUNTERS)[number], number>;

export class UsageMeter implements UsageCounter {
  readonly #parts = new Map<string, { scope: 'agent' | 'user_sim'; model: string; sums: Sums }>();

  add(part: UsagePart): void {
    const { scope = 'agent', model = '' } = part;
    const amounts = COUNTERS.map((counter) => [counter, amountOf(counter, part)] as const);
    const name = model === '' ? scope : `${scope} ${model}`;
    let known = this.#parts.get(name);
    if (!known) this.#parts.set(name, (known = { scope, model, sums: noSums() }));
    for (const [counter, amount] of amounts) known.sums[counter] += amount;
  }

  /** The sum, undefined if nothing was added. */
  get total(): Usage | undefined {
    if (this.#parts.size === 0) return undefined;
    const sums = noSums();
    const cost = { agent: 0, user_sim: 0 };
    for (const part of this.#parts.values()) {
      for (const counter of COUNTERS) sums[counter] += part.sums[counter];
      cost[part.scope] += part.sums.cost_usd;
    }
    const breakdown = [...this.#parts].map(([name, { scope, model, sums: own }]) => ({ name, scope, model, ...own }));
    return { ...sums, agent_cost_usd: cost.agent, user_sim_cost_usd: cost.user_sim, partial: false, breakdown };
  }
}

function noSums(): Sums {
  return Object.fromEntries(COUNTERS.map((counter) => [counter, 0])) as Sums;
}

function amountOf(counter: (typeof COUNTERS)[number], part: UsagePart): number {
  const amount = part[counter] ?? (counter === 'n_calls' ? 1 : 0);
  if (typeof amount === 'number' && Number.isFinite(amount) && amount >= 0) return amount;
  throw new TypeError(`usage.add: ${counter} is ${JSON.stringify(amount)}, which is no number from 0 on`);
}
