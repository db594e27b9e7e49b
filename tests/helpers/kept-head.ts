/** A head daemon in a process of its own that is started again whenever it dies, on the same store. */
import { fileURLToPath } from 'node:url';

import { HeadClient } from '../../src/wire/head-client.ts';
import { TOKEN } from './scripted-node.ts';
import { startChild, type TalkingChild } from './talking-child.ts';
import { waitUntil } from './wait-until.ts';

const CHILD = fileURLToPath(new URL('../crash/head-child.ts', import.meta.url));

/** A head that is started again whenever it dies. */
export class KeptHead implements AsyncDisposable {
  readonly #dir: string;
  #child: TalkingChild | undefined;
  #isOver = false;
  port = 0;
  deaths = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Starts the first one, with a fail point armed; each next one without. Resolves once one is ready. */
  async keep(point: string): Promise<void> {
    const ready = Promise.withResolvers<void>();
    const live = async (): Promise<void> => {
      for (let armed = point; !this.#isOver; armed = '-') {
        const child = startChild(CHILD, this.#dir, TOKEN, armed);
        this.#child = child;
        const ended = new Promise<string | null>((resolve) =>
          child.process.once('exit', (_, signal) => resolve(signal)),
        );
        await child.hear('ready', 60_000).then(
          (line) => {
            this.port = Number(line.split(' ')[1]);
            ready.resolve();
          },
          () => {},
        );
        if ((await ended) === 'SIGKILL' && !this.#isOver) this.deaths += 1;
      }
    };
    void live();
    await ready.promise;
  }

  /** A call that is made again until some head answers it. */
  async ask<T>(call: (client: HeadClient) => Promise<T>): Promise<T> {
    let answer: T | undefined;
    let refusal: unknown;
    const waiting = waitUntil(
      'a head answers',
      async () => {
        using client = new HeadClient(`127.0.0.1:${this.port}`, { token: TOKEN });
        try {
          answer = await call(client);
          return true;
        } catch (error) {
          refusal = error;
          return false;
        }
      },
      30_000,
    );
    await waiting.catch((error: unknown) => {
      throw new Error(String(error), { cause: refusal });
    });
    return answer as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#child?.kill();
  }
}
