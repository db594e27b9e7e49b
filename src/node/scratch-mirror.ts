/**
 * One attempt's scratch folder as the store has it: `sessions/<iid>/attempt-<n>/` (U-01), and its transcript beside the
 * rows, `rows/<iid>/partial_transcript.jsonl` (V-02). Each pass sends what changed since the last one.
 *
 * Not here: when passes are made (`snapshots.ts`), what a failed one means (`shipper.ts` counts it).
 *
 * Invariants: M1 a file whose size and time are those of the last pass costs its stat; one that was touched and holds the same
 * bytes is read and not sent; the final pass reads all of them. M2 a file that vanishes while it is looked at was never there; one that grows is sent as it was
 * read, and again by the next pass. M3 after a final pass the prefix holds what the folder holds and nothing else, whatever
 * an earlier life or start of the attempt left there. M4 passes of one attempt never overlap.
 *
 * A file that is being written may be sent torn, an SQLite database most of all: only what a final pass sent is whole.
 */
import { lstatSync, readdirSync, type Dirent, type Stats } from 'node:fs';
import { join } from 'node:path';

import pLimit from 'p-limit';

import { TRANSCRIPT_FILE } from '../frameworks/transcript.ts';
import { sha256 } from '../kernel/digest.ts';
import { asError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { maskedBytes } from '../kernel/mask.ts';
import { isGone } from '../reference/marked-tree.ts';
import { callPatiently, createOrConfirm, overwrite, type PersistOptions } from '../store/create-or-confirm.ts';
import { breath, readWhole } from '../store/descriptor.ts';
import { nameBelow, partialTranscriptName, sessionPrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';

export interface ScratchMirrorOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly instanceId: string;
  readonly attempt: number;
  /** It need not exist: then there is nothing to send. */
  readonly dir: string;
}

export interface ScratchPass extends PersistOptions {
  /** The task is over: whatever its size every file goes, and what the folder does not have is taken away (M3). */
  readonly isFinal: boolean;
  /**
   * The task may be going on elsewhere, as its next attempt: a transcript beside the rows that this one did not write, or
   * does not go on with, is left alone. Default false.
   */
  readonly isLate?: boolean;
  /** The transcript beside the rows was sent a moment ago: this pass leaves it to the next one. Default false. */
  readonly leavesTranscript?: boolean;
}

/** What a pass came to. */
export interface ScratchReport {
  /** Files that were sent, with their bytes. */
  readonly sent: number;
  readonly bytes: number;
  /** Changed files that wait for the final pass, for their size. */
  readonly held: number;
}

/** A larger file waits for the final pass: it would be sent whole at every interval. */
const SNAPSHOT_FILE_MAX_BYTES = 32 * 1024 * 1024;
/** How far a file's time may lie behind what it says of the file. */
const CLOCK_TICK_MS = 50;
/** Objects in flight of one attempt. */
const AT_ONCE = 8;

interface Sent {
  /** Size and time of the file as it was sent; empty: another life sent it, or it failed. */
  readonly stamp: string;
  readonly digest: string;
  readonly generation: string;
}

export class ScratchMirror {
  readonly #options: ScratchMirrorOptions;
  readonly #prefix: string;
  /** What the prefix holds, by path; undefined: not looked at yet. */
  #sent: Map<string, Sent> | undefined;
  /** Of the transcript beside the rows. */
  #transcript: Omit<Sent, 'stamp'> | undefined;
  /** A pass left it as it was. */
  #isTranscriptBehind = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ScratchMirrorOptions) {
    this.#options = options;
    this.#prefix = sessionPrefix(options.runId, options.instanceId, options.attempt);
  }

  /**
   * Sends what changed since the last pass, after one that is under way.
   * @throws the first failure, once all else was tried: SkeinError INVALID_INPUT for what is no plain file, or the store's
   */
  pass(options: ScratchPass): Promise<ScratchReport> {
    const turn = this.#turn.then(() => this.#passNow(options));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Sends the transcript beside the rows alone. @throws the store's */
  transcript(options: PersistOptions): Promise<void> {
    const turn = this.#turn.then(async () => {
      const bytes = await this.#read(TRANSCRIPT_FILE);
      if (bytes) await this.#freshTranscript(bytes, { ...options, isFinal: false });
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #passNow(options: ScratchPass): Promise<ScratchReport> {
    const { dir } = this.#options;
    const { isFinal, signal } = options;
    await breath();
    const { files, odd } = scratchFiles(dir);
    if (files.size === 0 && odd.length === 0 && (this.#sent === undefined || this.#sent.size === 0)) {
      return { sent: 0, bytes: 0, held: 0 };
    }
    const sent = await this.#standing(options);
    const failures: Error[] = [];
    const limit = pLimit(AT_ONCE);
    const work = async (step: () => Promise<void>): Promise<void> => {
      try {
        signal?.throwIfAborted();
        await step();
      } catch (error) {
        // A name that no object can have is the final pass's to tell, once.
        if (isFinal || !isSkeinError(error, 'INVALID_INPUT')) failures.push(asError(error));
      }
    };
    const isNews = (path: string, stamp: string): boolean =>
      isFinal ||
      stamp === '' ||
      sent.get(path)?.stamp !== stamp ||
      (path === TRANSCRIPT_FILE && this.#isTranscriptBehind);
    const news = [...files].filter(([path, { stamp }]) => isNews(path, stamp));
    const changed = news.filter(([, { size }]) => isFinal || size <= SNAPSHOT_FILE_MAX_BYTES);
    const totals = { sent: 0, bytes: 0, held: news.length - changed.length };
    // The transcript first: of what an attempt leaves it says most.
    changed.sort(([a], [b]) => Number(b === TRANSCRIPT_FILE) - Number(a === TRANSCRIPT_FILE));
    await Promise.all(
      changed.map(([path, { stamp }]) =>
        limit(() =>
          work(async () => {
            const bytes = await this.#send(path, stamp, options);
            if (bytes === undefined) return;
            totals.sent += 1;
            totals.bytes += bytes;
          }),
        ),
      ),
    );
    // One that vanished a moment ago may be half of a replacement: only the end tells what is gone.
    const gone = isFinal ? [...sent].filter(([path]) => !files.has(path)) : [];
    await Promise.all(
      gone.map(([path, { generation }]) => limit(() => work(() => this.#takeAway(path, generation, options)))),
    );
    if (isFinal && odd.length > 0) {
      const named = odd.length === 1 ? odd[0] : `${odd[0]} and ${odd.length - 1} more`;
      failures.push(new SkeinError('INVALID_INPUT', `${join(dir, named!)}: only plain files and folders are shipped`));
    }
    if (failures.length > 0) throw failures[0]!;
    return totals;
  }

  /** What stands under the prefix: an earlier start of this attempt may have left some of it. */
  async #standing(options: PersistOptions): Promise<Map<string, Sent>> {
    if (this.#sent) return this.#sent;
    const sent = new Map<string, Sent>();
    for await (const { name, generation } of listAll(this.#options.store, this.#prefix, options)) {
      sent.set(name.slice(this.#prefix.length), { stamp: '', digest: '', generation });
    }
    this.#sent = sent;
    return sent;
  }

  /** Sends a file, and gives its size; undefined if nothing had to be sent. */
  async #send(path: string, stamp: string, options: ScratchPass): Promise<number | undefined> {
    const { store } = this.#options;
    const sent = this.#sent!;
    const bytes = await this.#read(path);
    if (bytes === undefined) return undefined;
    const digest = sha256(bytes);
    if (path === TRANSCRIPT_FILE) {
      this.#isTranscriptBehind = options.leavesTranscript === true;
      if (!this.#isTranscriptBehind) await this.#freshTranscript(bytes, options);
    }
    const before = sent.get(path);
    if (before?.digest === digest) {
      sent.set(path, { ...before, stamp });
      return undefined;
    }
    // Of what another life sent only the generation is known, not the bytes.
    const known = before?.digest ? before.generation : undefined;
    const generation = await put(store, nameBelow(this.#prefix, path), bytes, known, options);
    sent.set(path, { stamp, digest, generation });
    return bytes.byteLength;
  }

  /** Undefined: it is gone. */
  async #read(path: string): Promise<Buffer | undefined> {
    try {
      return maskedBytes(await readWhole(join(this.#options.dir, path))) as Buffer;
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  async #freshTranscript(bytes: Buffer, options: ScratchPass): Promise<void> {
    const whole = wholeLines(bytes);
    const digest = sha256(whole);
    if (whole.length > 0 && this.#transcript?.digest !== digest) await this.#sendTranscript(whole, digest, options);
  }

  async #sendTranscript(bytes: Buffer, digest: string, options: ScratchPass): Promise<void> {
    const { store, runId, instanceId } = this.#options;
    const name = partialTranscriptName(runId, instanceId);
    const known = this.#transcript?.generation;
    if (!options.isLate) {
      this.#transcript = { digest, generation: await put(store, name, bytes, known, options) };
    } else if (known !== undefined) {
      await callPatiently(`writing ${name}`, options, (signal) => store.replace(name, bytes, known, { signal }));
    } else {
      const outcome = await createOrConfirm(store, name, bytes, options);
      if (outcome.kind !== 'conflict') return;
      const { bytes: standing, generation } = outcome.standing;
      const goesOn = bytes.subarray(0, standing.length).equals(standing);
      if (goesOn) await overwrite(store, name, bytes, { ...options, generation });
    }
  }

  async #takeAway(path: string, generation: string, options: PersistOptions): Promise<void> {
    const name = this.#prefix + path;
    await callPatiently(`removing ${name}`, options, (signal) =>
      this.#options.store.remove(name, generation, { signal }),
    );
    this.#sent?.delete(path);
  }
}

/** Puts `bytes` under a name that only this attempt writes. The new generation. */
async function put(
  store: ObjectStore,
  name: string,
  bytes: Uint8Array,
  known: string | undefined,
  options: PersistOptions,
): Promise<string> {
  if (known !== undefined) return await overwrite(store, name, bytes, { ...options, generation: known });
  const outcome = await createOrConfirm(store, name, bytes, options);
  if (outcome.kind !== 'conflict') return outcome.generation;
  return await overwrite(store, name, bytes, { ...options, generation: outcome.standing.generation });
}

/** `bytes` up to its last line's end: the rest is still being written. */
function wholeLines(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
}

interface ScratchFile {
  readonly size: number;
  readonly mtimeMs: number;
  /** Another one as soon as the file is written to or replaced. */
  readonly stamp: string;
}

/** The folder's plain files by relative path, and what else is in it. What goes while it is looked at is left out. */
function scratchFiles(dir: string): { files: Map<string, ScratchFile>; odd: string[] } {
  const files = new Map<string, ScratchFile>();
  const odd: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of entriesOf(join(dir, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (!entry.isFile()) odd.push(path);
      else {
        const info = lstatSync(join(dir, path), { throwIfNoEntry: false });
        if (info) files.set(path, { size: info.size, mtimeMs: info.mtimeMs, stamp: stampOf(info) });
      }
    }
  };
  visit('');
  return { files, odd };
}

/** One written this very moment may be written again within the same tick of its clock: it counts as changed. */
function stampOf({ ino, size, mtimeMs }: Stats): string {
  return Date.now() - mtimeMs < CLOCK_TICK_MS ? '' : `${ino}:${size}:${mtimeMs}`;
}

function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** What lies in a scratch folder: bytes of its files, and when one of them was written last, milliseconds since the epoch. */
export interface ScratchFacts {
  readonly bytes: number;
  readonly newestMs: number;
}

/** Undefined: there is no file in `dir`, or it cannot be looked into. */
export function scratchFacts(dir: string): ScratchFacts | undefined {
  try {
    const files = [...scratchFiles(dir).files.values()];
    if (files.length === 0) return undefined;
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    return { bytes, newestMs: Math.max(...files.map(({ mtimeMs }) => mtimeMs)) };
  } catch {
    return undefined;
  }
}
