/**
 * What breaks a cluster, one fault after another, drawn from a seed: each verb injects a fault, holds it, mends it, and writes
 * both moments into the checker's account. Lanes of different victims run side by side.
 *
 * Invariants: N1 every fault is mended before its verb resolves. N2 the same seed draws the same faults in each lane,
 * whatever the other lanes do.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import type { Checker } from './checker.ts';
import type { Cluster, ClusterNode, Daemon } from './cluster.ts';
import type { Direction } from './link.ts';
import type { SeededRandom } from './random.ts';

/** What one lane does with its victim. */
export type FaultPlan =
  | { readonly kind: 'kill'; readonly downMs: number }
  | { readonly kind: 'freeze'; readonly ms: number }
  | { readonly kind: 'cut'; readonly ms: number; readonly direction: Direction }
  | { readonly kind: 'refuse'; readonly ms: number };

/** How many of each, and for how long. */
export interface PlanSizes {
  readonly kills: number;
  readonly shortFreezes: number;
  readonly longFreezes: number;
  readonly shortCuts: number;
  readonly longCuts: number;
  readonly refusals: number;
  /** What outlives both keepalives and `--lost-after`. */
  readonly longMs: number;
}

/** A lane's faults in the order of its seed. */
export function planFaults(random: SeededRandom, sizes: PlanSizes): FaultPlan[] {
  const { kills, shortFreezes, longFreezes, shortCuts, longCuts, refusals, longMs } = sizes;
  const some = (count: number, make: () => FaultPlan): FaultPlan[] => Array.from({ length: count }, make);
  const direction = (): Direction => random.pick(['both', 'both', 'up', 'down']);
  return random.shuffled([
    ...some(kills, () => ({ kind: 'kill', downMs: random.pick([0, 0, 100, 300, 800]) })),
    ...some(shortFreezes, () => ({ kind: 'freeze', ms: random.int(1_000, 3_000) })),
    ...some(longFreezes, () => ({ kind: 'freeze', ms: longMs + random.int(0, 1_500) })),
    ...some(shortCuts, () => ({ kind: 'cut', ms: random.int(500, 3_000), direction: direction() })),
    ...some(longCuts, () => ({ kind: 'cut', ms: longMs + random.int(0, 1_500), direction: direction() })),
    ...some(refusals, () => ({ kind: 'refuse', ms: random.int(500, 6_000) })),
  ]);
}

export class Nemesis {
  readonly #checker: Checker;

  constructor(checker: Checker) {
    this.#checker = checker;
  }

  /** Works off `plan` on one victim, with a breath of `calmMs` between two faults; ends early when `signal` says so. */
  async lane(
    victim: Daemon | ClusterNode,
    plan: readonly FaultPlan[],
    calmMs: () => number,
    signal: AbortSignal,
  ): Promise<void> {
    for (const fault of plan) {
      if (signal.aborted) return;
      await sleep(calmMs());
      await this.inflict(victim, fault);
    }
  }

  async inflict(victim: Daemon | ClusterNode, plan: FaultPlan): Promise<void> {
    const { name } = victim;
    switch (plan.kind) {
      case 'kill': {
        const fault = this.#checker.fault('SIGKILL', name);
        await victim.kill();
        await sleep(plan.downMs);
        await victim.start();
        fault.mendedMs = Date.now();
        return;
      }
      case 'freeze': {
        const fault = this.#checker.fault('SIGSTOP', name);
        victim.freeze();
        await sleep(plan.ms);
        victim.thaw();
        fault.mendedMs = Date.now();
        return;
      }
      case 'cut': {
        const fault = this.#checker.fault(`partition (${plan.direction} silent)`, name);
        linkOf(victim).cut(plan.direction);
        await sleep(plan.ms);
        linkOf(victim).heal();
        fault.mendedMs = Date.now();
        return;
      }
      case 'refuse': {
        const fault = this.#checker.fault('partition (reset)', name);
        linkOf(victim).refuse();
        await sleep(plan.ms);
        linkOf(victim).heal();
        fault.mendedMs = Date.now();
        return;
      }
    }
  }

  /** Starts `skein ARGS` and kills it after `ms`, or lets it end if it is quicker. Whether it was killed. */
  async killClient(cluster: Cluster, args: readonly string[], ms: number): Promise<boolean> {
    const client = cluster.cli(args);
    const end = await Promise.race([client.ended, sleep(ms, undefined, { ref: false })]);
    if (end) return false;
    const fault = this.#checker.fault('SIGKILL', 'client');
    await client.kill();
    fault.mendedMs = Date.now();
    return true;
  }
}

function linkOf(victim: Daemon | ClusterNode): ClusterNode['link'] {
  if ('link' in victim) return victim.link;
  throw new Error(`${victim.name} has no link of its own`);
}
