/**
 * What tasks printed, as it comes: logs of tasks that ended, and of those that run what the store has of them so far, their
 * partial log and their transcript.
 *
 * Not here: when it is over (`actions/logs.ts`).
 *
 * Invariants: F1 nothing is shown twice, also when a partial log becomes the whole one. F2 of a growing text only whole lines
 * are shown, so that two tasks never share one. F3 an object that was replaced is shown anew, and said to be so.
 */
import type { PersistOptions } from '../store/create-or-confirm.ts';
import { GrowingObject } from '../store/growing-object.ts';
import { logName, partialLogName, partialTranscriptName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { isBinary } from '../store/read-end.ts';
import { messageText, printable } from './message-text.ts';
import type { Output } from './output.ts';

export interface FollowedAttempt {
  readonly instanceId: string;
  readonly attempt: number;
  /** Whether its log is whole: then it does not grow any more. */
  readonly isOver: boolean;
}

/** As `node/log-slice.ts` writes it. */
const CUT = /^\[skein: \d+ bytes of this log are left out here\]$/m;

interface Followed {
  readonly log: GrowingObject;
  readonly logText: LineBuffer;
  readonly transcript: GrowingObject;
  readonly transcriptText: LineBuffer;
  isOver: boolean;
}

export interface LogFollowerOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly out: Output;
  /** Hints that are no log: to stderr. */
  readonly note: (line: string) => void;
  /** Whether what is shown is said to be whose: where more than one task is followed. */
  readonly isNamed: boolean;
  /** Whether transcripts of running tasks are shown too. */
  readonly hasTranscripts: boolean;
}

export class LogFollower {
  readonly #options: LogFollowerOptions;
  readonly #followed = new Map<string, Followed>();
  /** Whose the last line was. */
  #speaker = '';
  /** Attempts of which anything was shown. */
  readonly #shown = new Set<string>();

  constructor(options: LogFollowerOptions) {
    this.#options = options;
  }

  /** How many attempts something was shown of. */
  get shown(): number {
    return this.#shown.size;
  }

  /** Those that are followed and whose log is not whole yet. */
  get open(): { readonly instanceId: string; readonly attempt: number }[] {
    return [...this.#followed].flatMap(([key, { isOver }]) => {
      const [instanceId = '', attempt] = key.split(' ');
      return isOver ? [] : [{ instanceId, attempt: Number(attempt) }];
    });
  }

  /** Shows what came of the attempt since it was last looked at. @throws SkeinError the store's */
  async look({ instanceId, attempt, isOver }: FollowedAttempt, options: PersistOptions): Promise<void> {
    const key = `${instanceId} ${attempt}`;
    const followed = this.#followed.get(key) ?? this.#begin(instanceId, attempt);
    this.#followed.set(key, followed);
    if (followed.isOver) return;
    if (isOver) followed.log.moveTo(logName(this.#options.runId, instanceId, attempt));
    else if (this.#options.hasTranscripts) await this.#transcript(followed, instanceId, attempt, options);
    const growth = await followed.log.look(options);
    if (growth.kind === 'more') {
      const { out } = this.#options;
      if (out.isTerminal && isBinary(growth.bytes)) {
        this.#options.note(`${instanceId}, attempt ${attempt}: its log is binary; write it to a file to see it`);
        this.#shown.add(key);
      } else {
        // Of a log that has grown too long another middle is left out each time: its begin has been shown.
        const cut = growth.isAnew ? CUT.exec(growth.bytes.toString('latin1'))?.index : undefined;
        if (growth.isAnew && cut === undefined) this.#isReplaced(followed.logText, instanceId, attempt, 'log');
        if (cut !== undefined) followed.logText.rest();
        this.#write(
          key,
          `==> ${instanceId}, attempt ${attempt}`,
          followed.logText.add(growth.bytes.subarray(cut ?? 0)),
        );
      }
    }
    if (!isOver) return;
    followed.isOver = true;
    this.#write(key, `==> ${instanceId}, attempt ${attempt}`, followed.logText.rest());
  }

  async #transcript(followed: Followed, instanceId: string, attempt: number, options: PersistOptions): Promise<void> {
    const growth = await followed.transcript.look(options);
    if (growth.kind === 'nothing') return;
    if (growth.isAnew) this.#isReplaced(followed.transcriptText, instanceId, attempt, 'transcript');
    const lines = followed.transcriptText.add(growth.bytes).toString('utf8').split('\n');
    const text = lines.filter((line) => line.trim() !== '').map((line) => `transcript: ${transcriptLine(line)}\n`);
    this.#write(`${instanceId} ${attempt}`, `==> ${instanceId}, attempt ${attempt}`, Buffer.from(text.join('')));
  }

  #isReplaced(text: LineBuffer, instanceId: string, attempt: number, what: string): void {
    text.rest();
    this.#options.note(`${instanceId}, attempt ${attempt}: its ${what} was replaced; here it is from its begin`);
  }

  #begin(instanceId: string, attempt: number): Followed {
    const { store, runId } = this.#options;
    return {
      log: new GrowingObject(store, partialLogName(runId, instanceId, attempt)),
      logText: new LineBuffer(),
      transcript: new GrowingObject(store, partialTranscriptName(runId, instanceId)),
      transcriptText: new LineBuffer(),
      isOver: false,
    };
  }

  #write(key: string, header: string, bytes: Buffer): void {
    if (bytes.byteLength === 0) return;
    const { out, isNamed } = this.#options;
    if (isNamed && this.#speaker !== key) out.line(out.colors.bold(header));
    this.#speaker = key;
    this.#shown.add(key);
    if (out.isTerminal) out.write(printable(bytes.toString('utf8')));
    else out.writeBytes(bytes);
  }
}

function transcriptLine(line: string): string {
  try {
    return messageText(JSON.parse(line));
  } catch {
    return `[no JSON] ${messageText(line)}`;
  }
}

/** Keeps the begin of a line until its end comes. */
class LineBuffer {
  #rest: Buffer = Buffer.alloc(0);

  /** All whole lines that are there now. */
  add(bytes: Buffer): Buffer {
    const all = this.#rest.byteLength === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const end = all.lastIndexOf(10) + 1;
    this.#rest = all.subarray(end);
    return all.subarray(0, end);
  }

  /** What is left, ended by us. */
  rest(): Buffer {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest.byteLength === 0 ? rest : Buffer.concat([rest, Buffer.from('\n')]);
  }
}
