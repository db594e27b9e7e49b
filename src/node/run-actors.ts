/**
 * The task actors of one run that are there at the moment: made, ended, and counted as coming to life or living.
 *
 * Invariant: A1 an actor counts until its thread is gone.
 */
import { randomBytes } from 'node:crypto';

import type { HostedTaskActor, TaskActors } from './task-actors.ts';

export class RunActors {
  readonly #actors: TaskActors;
  readonly #onChange: (live: number, pending: number) => void;
  readonly #there = new Set<HostedTaskActor>();
  readonly #pending = new Set<HostedTaskActor>();

  /** @param onChange told of every change: how many live, how many are coming to life */
  constructor(actors: TaskActors, onChange: (live: number, pending: number) => void) {
    this.#actors = actors;
    this.#onChange = onChange;
  }

  /** @param worker whose it is: part of its name */
  start(worker: number): HostedTaskActor {
    const actor = this.#actors.start(`${worker}-${randomBytes(3).toString('hex')}`);
    this.#there.add(actor);
    this.#pending.add(actor);
    this.#tell();
    void actor.started.then(() => this.#pending.delete(actor) && this.#tell());
    return actor;
  }

  /** Those that are there, and whether each is still coming to life. */
  list(): { readonly actor: HostedTaskActor; readonly isPending: boolean }[] {
    return Array.from(this.#there, (actor) => ({ actor, isPending: this.#pending.has(actor) }));
  }

  /** Ends the actor at once, and waits until it is gone. */
  async drop(actor: HostedTaskActor): Promise<void> {
    actor.kill();
    await this.#gone(actor);
  }

  /** Ends the actor in order, and waits until it is gone. */
  async end(actor: HostedTaskActor): Promise<void> {
    actor.terminate();
    await this.#gone(actor);
  }

  /** Kills all of them; whoever uses one learns it from its call. */
  killAll(): void {
    for (const actor of this.#there) actor.kill();
  }

  async #gone(actor: HostedTaskActor): Promise<void> {
    await actor.died;
    this.#there.delete(actor);
    this.#pending.delete(actor);
    this.#tell();
  }

  #tell(): void {
    this.#onChange(this.#there.size - this.#pending.size, this.#pending.size);
  }
}
