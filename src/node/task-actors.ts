/**
 * Task actors of one run: ordinary actors of the class `TaskActor`, made through the same handles as a user's.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { z } from 'zod';

import type { ClassLocation } from '../actor/messages.ts';
import { createActor, type ActorHandle } from '../driver/handle.ts';
import type { ActorDeath, ActorRuntime, ActorService } from '../driver/runtime.ts';
import type { TaskAssignment, TaskOutcome } from '../frameworks/assignment.ts';
import type { FrameworkSettings } from '../frameworks/framework.ts';
import { compiledPath } from '../kernel/compiled.ts';

/** One live task actor. Its slot's state travels with it (DESIGN rule 7). */
export interface HostedTaskActor {
  /** Unique in the run: part of the name of its shard. */
  readonly name: string;
  /** Where everything that it prints goes, task after task. */
  readonly logPath: string;
  /** Settles when it has come to life, or has died before. Never rejects. */
  readonly started: Promise<void>;
  runTask(assignment: TaskAssignment): Promise<TaskOutcome>;
  kill(): void;
  /** Ends after the call that it serves. */
  terminate(): void;
  readonly died: Promise<ActorDeath>;
}

export interface TaskActorsOptions {
  readonly runtime: ActorRuntime;
  readonly settings: FrameworkSettings;
  readonly services: Readonly<Record<string, ActorService>>;
  /** Kill an actor whose loop stood still for so long; 0 = never. */
  readonly unresponsiveMs: number;
  /** What an actor that starts now finds in its environment and nobody else sees (W-13); absent: nothing. */
  secretEnv?(): Readonly<Record<string, string>>;
  /** An actor has the reference of a database before it: one that it built, or one that stood there. */
  onReference?(actor: string, database: string, wasBuilt: boolean): void;
  /** The task has begun its transcript. */
  onTranscript?(instanceId: string): void;
  /** Made if absent; one log per actor. */
  readonly logDir: string;
  /** Where the class is; default: ours. */
  readonly location?: ClassLocation;
}

/** A task that prints faster than its log is cut back waits from here on. */
const LOG_PAUSE_BYTES = 48 * 1024 * 1024;

const begunSchema = z.object({ instanceId: z.string() });
const readySchema = z.object({ database: z.string(), wasBuilt: z.boolean() });

const LOCATION = {
  module: pathToFileURL(compiledPath('../frameworks/task-actor.js', import.meta.url)).href,
  exportName: 'TaskActor',
};

export class TaskActors {
  readonly #options: TaskActorsOptions;

  constructor(options: TaskActorsOptions) {
    this.#options = options;
  }

  start(name: string): HostedTaskActor {
    const { runtime, settings, unresponsiveMs, logDir, location = LOCATION } = this.#options;
    const logPath = join(logDir, `${name}.log`);
    const handle: ActorHandle = createActor(runtime, {
      className: 'TaskActor',
      location,
      args: [settings],
      maxConcurrency: 1,
      services: {
        ...this.#options.services,
        'reference.ready': (payload) => this.#referenceReady(name, payload),
        'transcript.begun': async (payload) => this.#options.onTranscript?.(begunSchema.parse(payload).instanceId),
      },
      unresponsiveMs,
      logPath,
      logPauseBytes: LOG_PAUSE_BYTES,
      secretEnv: this.#options.secretEnv?.() ?? {},
    });
    const { promise: started, resolve } = Promise.withResolvers<void>();
    handle
      .ready()
      .promise()
      .then(
        () => resolve(),
        () => resolve(),
      );
    return {
      name,
      logPath,
      started,
      runTask: (assignment) => handle.call('runTask', [assignment]).promise() as Promise<TaskOutcome>,
      kill: () => handle.kill(),
      terminate: () => {
        handle.call('close', []);
        handle.terminate();
      },
      died: handle.died,
    };
  }

  async #referenceReady(actor: string, payload: unknown): Promise<void> {
    const { database, wasBuilt } = readySchema.parse(payload);
    this.#options.onReference?.(actor, database, wasBuilt);
  }
}
