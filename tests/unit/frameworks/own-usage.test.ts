import { describe, expect, it } from 'vitest';

import { UsageMeter } from '../../../src/frameworks/own/usage-meter.ts';

describe('the usage of an attempt', () => {
  it('is summed up over calls, by who spent it and on which model (3A-12)', () => {
    const meter = new UsageMeter();
    expect(meter.total).toBeUndefined();
    meter.add({ prompt_tokens: 100, completion_tokens: 10, cost_usd: 0.25, model: 'openai/x' });
    meter.add({ prompt_tokens: 50, cost_usd: 0.5, model: 'openai/x', n_calls: 2 });
    meter.add({ prompt_tokens: 7, cost_usd: 0.125, scope: 'user_sim', model: 'y' });
    expect(meter.total).toMatchObject({
      prompt_tokens: 157,
      completion_tokens: 10,
      n_calls: 4,
      cost_usd: 0.875,
      agent_cost_usd: 0.75,
      user_sim_cost_usd: 0.125,
      partial: false,
    });
    expect(meter.total?.breakdown).toMatchObject([
      { name: 'agent openai/x', scope: 'agent', model: 'openai/x', prompt_tokens: 150, n_calls: 3 },
      { name: 'user_sim y', scope: 'user_sim', model: 'y', prompt_tokens: 7, n_calls: 1 },
    ]);
  });

  it('refuses what is no amount, and counts nothing of it', () => {
    const meter = new UsageMeter();
    for (const amount of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5']) {
      expect(() => meter.add({ prompt_tokens: 1, completion_tokens: amount as number })).toThrow(
        /usage.add: completion_tokens is /,
      );
    }
    expect(meter.total).toBeUndefined();
  });
});
