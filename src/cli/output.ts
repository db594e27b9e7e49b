/**
 * Standard output or error as the commands use it. A reader that went away (`skein list | head -1`) is no error: what is
 * written after that is dropped, and `gone` tells those who would write for ever. No secret of a run is ever shown.
 */
import type { WriteStream } from 'node:tty';

import { createColors } from 'picocolors';

import { masked } from '../kernel/mask.ts';

export type Colors = ReturnType<typeof createColors>;

export class Output {
  readonly stream: NodeJS.WritableStream & Partial<Pick<WriteStream, 'columns' | 'isTTY'>>;
  readonly colors: Colors;
  readonly #gone = new AbortController();

  constructor(stream: Output['stream'], env: Readonly<Record<string, string | undefined>>) {
    this.stream = stream;
    this.colors = createColors(this.isTerminal && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb');
    stream.on('error', () => this.#gone.abort());
  }

  /** Whether a person looks at it, so that lines may be drawn over. */
  get isTerminal(): boolean {
    return this.stream.isTTY === true;
  }

  /** Aborts when nobody reads any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  write(text: string): void {
    if (!this.gone.aborted) this.stream.write(masked(text));
  }

  /** Bytes as they are: a reader that is no person gets what was stored. */
  writeBytes(bytes: Uint8Array): void {
    if (!this.gone.aborted) this.stream.write(bytes);
  }

  line(text = ''): void {
    this.write(`${text}\n`);
  }
}
