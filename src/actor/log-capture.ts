/**
 * Everything that an actor prints goes to a file of its own (W-12): `console`, `process.stdout` and `process.stderr` of
 * the thread, and child processes that inherit them. File descriptors 1 and 2 belong to the whole process, so the
 * capture sits above them: the thread's streams write to the file, and "inherit" means the file's descriptor.
 *
 * What the thread itself writes is cleaned of its secrets; what a child process writes is, when the log is shipped.
 *
 * Writes are synchronous: the output of a thread that dies is on disk, and the daemon's loop is not needed. Not caught:
 * native code that writes to descriptor 1 or 2 by itself.
 *
 * A log that somebody cuts back (a task's) slows down who prints faster than that: the thread waits, for a moment and no
 * longer, so that a loop that prints for ever fills neither the disk nor the time of others.
 */
import childProcess from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname } from 'node:path';

import { maskedBytes } from '../kernel/mask.ts';

interface Sink {
  readonly path: string;
  readonly fd: number;
}

/** How long it waits for a log to be cut back: after that it goes on, whoever is to do it. */
const PAUSE_MS = 1_000;
const PAUSE_LOOK_MS = 20;

/** The log of this thread. One per thread: the streams and `node:child_process` are patched for good. */
export class LogCapture {
  readonly #sinks: Sink[] = [];
  readonly #onPath: (path: string) => void;
  readonly #pauseBytes: number;
  /** Since the log's length was last looked at. */
  #unseenBytes = 0;

  /**
   * @param onPath is told where output goes, at each change
   * @param pauseBytes printing waits while the log is longer; default: it never waits
   * @throws the system's error when `path` cannot be opened
   */
  constructor(path: string, onPath: (path: string) => void, pauseBytes = Infinity) {
    this.#onPath = onPath;
    this.#pauseBytes = pauseBytes;
    this.#sinks.push(openSink(path));
    this.#captureStreams();
    this.#captureChildren();
  }

  get path(): string {
    return this.#sink.path;
  }

  /** From now on to `path`; the result puts back what was before and may be called twice. */
  redirect(path: string): () => void {
    const sink = openSink(path);
    this.#sinks.push(sink);
    this.#onPath(path);
    return () => {
      const index = this.#sinks.indexOf(sink);
      if (index < 0) return;
      this.#sinks.splice(index, 1);
      // Children that inherited the descriptor hold their own copy of it.
      closeSync(sink.fd);
      this.#onPath(this.path);
    };
  }

  write(chunk: string | Uint8Array, encoding: BufferEncoding = 'utf8'): void {
    const bytes = maskedBytes(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
    let offset = 0;
    try {
      while (offset < bytes.byteLength) offset += writeSync(this.#sink.fd, bytes, offset);
      this.#unseenBytes += bytes.byteLength;
      if (this.#unseenBytes > this.#pauseBytes / 2) this.#pause();
    } catch {
      // A full disk must not turn a `console.log` into the death of the actor: what does not fit is lost.
    }
  }

  /** Waits until the log has been cut back. The thread does nothing else meanwhile: it is the one that prints. */
  #pause(): void {
    this.#unseenBytes = 0;
    const { fd } = this.#sink;
    const clock = new Int32Array(new SharedArrayBuffer(4));
    for (let waitedMs = 0; waitedMs < PAUSE_MS && fstatSync(fd).size > this.#pauseBytes; waitedMs += PAUSE_LOOK_MS) {
      Atomics.wait(clock, 0, 0, PAUSE_LOOK_MS);
    }
  }

  get #sink(): Sink {
    return this.#sinks.at(-1)!;
  }

  #captureStreams(): void {
    type Written = (error?: Error | null) => void;
    const write = (chunk: string | Uint8Array, encoding?: BufferEncoding | Written, written?: Written): boolean => {
      this.write(chunk, typeof encoding === 'string' ? encoding : 'utf8');
      const callback = typeof encoding === 'function' ? encoding : written;
      if (callback) process.nextTick(callback);
      return true;
    };
    process.stdout.write = write;
    process.stderr.write = write;
  }

  #captureChildren(): void {
    type Options = { stdio?: unknown };
    const rewrite = <O extends Options>(options: O, inherited: unknown): O => ({
      ...options,
      stdio: this.#childStdio(options.stdio ?? inherited),
    });
    // spawn, exec, execFile and fork all end here.
    type Spawn = (this: unknown, options: Options) => unknown;
    const prototype = childProcess.ChildProcess.prototype as unknown as { spawn: Spawn };
    const spawn = prototype.spawn;
    prototype.spawn = function (options) {
      return spawn.call(this, rewrite(options, 'pipe'));
    };
    // The synchronous ones have a door each. Their default is 'pipe', which needs no help.
    const exports = childProcess as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of ['spawnSync', 'execFileSync', 'execSync']) {
      const original = exports[name]!;
      exports[name] = (...args) => {
        const last = args.at(-1);
        if (args.length > 1 && isOptions(last)) args[args.length - 1] = rewrite(last, 'pipe');
        return original(...args);
      };
    }
    syncBuiltinESMExports();
  }

  /** `stdio` of a child with the log where it would have inherited the process's 1 or 2. */
  #childStdio(stdio: unknown): unknown {
    if (stdio === 'inherit') return ['inherit', this.#sink.fd, this.#sink.fd];
    if (!Array.isArray(stdio)) return stdio;
    return stdio.map((entry: unknown, index) => {
      const isOurs = entry === 1 || entry === 2 || entry === process.stdout || entry === process.stderr;
      return isOurs || (entry === 'inherit' && (index === 1 || index === 2)) ? this.#sink.fd : entry;
    });
  }
}

function isOptions(value: unknown): value is { stdio?: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function openSink(path: string): Sink {
  mkdirSync(dirname(path), { recursive: true });
  return { path, fd: openSync(path, 'a') };
}
