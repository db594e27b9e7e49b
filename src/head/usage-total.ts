/** The sum of the rows' `usage` blobs (§3A), per scope and model too. A blob that is none is skipped (C-05). */
import { z } from 'zod';

const amount = z.number().nonnegative().default(0);

const counters = {
  prompt_tokens: amount,
  completion_tokens: amount,
  reasoning_tokens: amount,
  cache_read_tokens: amount,
  cache_write_tokens: amount,
  n_calls: amount,
  cost_usd: amount.nullable(),
};

const usageSchema = z.looseObject({
  ...counters,
  agent_cost_usd: amount.nullable(),
  user_sim_cost_usd: amount.nullable(),
  partial: z.boolean().default(false),
  breakdown: z
    .array(
      z.looseObject({ name: z.string(), scope: z.string().default(''), model: z.string().default(''), ...counters }),
    )
    .default([]),
});

type Sums = Record<string, number>;

export class UsageTotal {
  readonly #sums: Sums = {};
  readonly #breakdown = new Map<string, { scope: string; model: string; sums: Sums }>();
  #isPartial = false;

  constructor() {
    add(this.#sums, usageSchema.parse({ cost_usd: 0, agent_cost_usd: 0, user_sim_cost_usd: 0 }));
  }

  /** Adds a row's blob, whatever it is. */
  add(usage: unknown): void {
    const parsed = usageSchema.safeParse(usage);
    if (!parsed.success) return;
    add(this.#sums, parsed.data);
    this.#isPartial ||= parsed.data.partial;
    for (const part of parsed.data.breakdown) {
      const known = this.#breakdown.get(part.name) ?? { scope: part.scope, model: part.model, sums: {} };
      add(known.sums, part);
      this.#breakdown.set(part.name, known);
    }
  }

  toJSON(): Record<string, unknown> {
    const parts = [...this.#breakdown].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      ...this.#sums,
      partial: this.#isPartial,
      breakdown: parts.map(([name, { scope, model, sums }]) => ({ name, scope, model, ...sums })),
    };
  }
}

function add(sums: Sums, blob: Readonly<Record<string, unknown>>): void {
  for (const [field, value] of Object.entries(blob)) {
    if (typeof value === 'number') sums[field] = (sums[field] ?? 0) + value;
  }
}
