/**
 * Ctrl-C and its like. The first one asks: `drain` aborts, and the command ends by itself in good order. The second one
 * leaves at once.
 *
 * Invariant: nothing that hangs can hold the second one up, not even a thread inside a native call, which
 * `process.exit` would wait for. That is safe because whatever is on disk at any instant is (DESIGN rule 1).
 */
import { writeSync } from 'node:fs';

export const INTERRUPTED = 130;

/** SIGHUP: the terminal was closed. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class StopSignals implements Disposable {
  readonly #drain = new AbortController();
  readonly #onSignal = (): void => this.#received();
  /** Told once, at the first signal: the one line that says what happens now. */
  onDrain: (() => void) | undefined;

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** Aborts at the first signal. */
  get drain(): AbortSignal {
    return this.#drain.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  #received(): void {
    if (this.#drain.signal.aborted) leaveNow();
    this.onDrain?.();
    this.#drain.abort();
  }
}

function leaveNow(): never {
  try {
    // Show the cursor again, which a live view may have hidden.
    writeSync(2, process.stderr.isTTY ? '\u001B[?25h\nskein: left at once\n' : 'skein: left at once\n');
  } catch {
    // Nobody reads.
  }
  try {
    // Another program in this process's place: every thread is gone, whatever it does.
    process.emitWarning = () => {};
    process.execve?.('/bin/sh', ['sh', '-c', `exit ${INTERRUPTED}`], {});
  } catch {
    // No such shell, no such call.
  }
  process.exit(INTERRUPTED);
}
