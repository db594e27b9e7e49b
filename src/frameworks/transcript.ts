/**
 * The transcript of one attempt as it grows: a JSON line per message in a file of the attempt's scratch, written at once
 * (V-08). What a task that hangs or dies has said so far is on the disk.
 *
 * Not here: the store's copy of it, which the daemon makes at its own pace (V-02).
 *
 * Invariants: T1 nothing of this ever fails a task: what cannot be written is told to the log, once. T2 every line is one
 * whole message: after a write that a full disk cut short the next one begins on a line of its own. T3 no message, no file. T4 no secret of
 * the actor is in it: whoever ships it after this life of the node knows none.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { describeError } from '../kernel/errors.ts';
import { masked } from '../kernel/mask.ts';

/** The file's name, in the scratch folder and beside the task's rows. */
export const TRANSCRIPT_FILE = 'partial_transcript.jsonl';

export interface TranscriptOptions {
  /** The attempt's scratch; asked for, and made, at the first message. */
  readonly dir: () => string;
  /** Called after the first message. */
  readonly onFirst: () => void;
  /** Told why messages are missing, once. */
  readonly onTrouble: (line: string) => void;
}

export class Transcript {
  readonly #options: TranscriptOptions;
  #fd: number | undefined;
  #hasBegun = false;
  #isTorn = false;
  #isTroubleTold = false;

  constructor(options: TranscriptOptions) {
    this.#options = options;
  }

  /** Adds a message, which must be a value that JSON can hold. Never throws. */
  add(message: unknown): void {
    try {
      const json = JSON.stringify(message) as string | undefined;
      if (json === undefined) throw new TypeError(`${typeof message} is no JSON value`);
      this.#fd ??= openSync(join(this.#options.dir(), TRANSCRIPT_FILE), 'a');
      this.#write(this.#fd, `${masked(json)}\n`);
      if (this.#hasBegun) return;
      this.#hasBegun = true;
      this.#options.onFirst();
    } catch (error) {
      if (this.#isTroubleTold) return;
      this.#isTroubleTold = true;
      this.#options.onTrouble(`[transcript] a message is not in it: ${describeError(error)}`);
    }
  }

  /** Twice is the same as once. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #write(fd: number, line: string): void {
    const bytes = Buffer.from(this.#isTorn ? `\n${line}` : line);
    let written = 0;
    try {
      while (written < bytes.byteLength) written += writeSync(fd, bytes, written);
      this.#isTorn = false;
    } catch (error) {
      this.#isTorn ||= written > 0;
      throw error;
    }
  }
}
