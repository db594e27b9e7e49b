/**
 * What an actor printed while it served one task: a slice of the actor's own log (W-12). A file per task would be made and
 * removed thousands of times in a run, and ext4 looks long for inodes where many were freed a moment ago.
 *
 * A slice keeps its head and its tail. While the task runs, `trim` cuts the file back to the head and saves the tail beside
 * it (`<log>.tail`), so that neither memory nor disk grows with what a task prints; who writes appends, so whatever comes
 * meanwhile lands behind the head.
 *
 * Not here: when it is trimmed (`log-trimmer.ts`), and how a thread is slowed down that prints faster than that
 * (`actor/log-capture.ts`).
 *
 * Invariants: S1 the slice begins where the log ended when the task began; an actor serves one task at a time. S2 it is
 * there whatever became of the actor. S3 what is left out is counted, and the cut says how much it is.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';

const MIB = 1024 * 1024;

export interface LogLimits {
  /** What is kept of the beginning, bytes. */
  readonly headBytes: number;
  /** What is kept of the end, where errors stand, bytes. */
  readonly tailBytes: number;
  /** How much more the file may hold before it is trimmed, bytes. */
  readonly slackBytes: number;
}

/** Of a task's log: the first and the last MiB. */
export const LOG_LIMITS: LogLimits = { headBytes: MIB, tailBytes: MIB, slackBytes: 6 * MIB };

/** A log that has grown longer over many tasks begins anew with the next one. */
const NEW_LOG_ABOVE_BYTES = 16 * MIB;
/** How often the tail is saved again because more was printed meanwhile; then the cut is made. */
const SAVES = 8;
/** How far a cut is moved to fall between two lines. */
const LINE_WITHIN_BYTES = 4096;
const LINE_FEED = 10;

export class LogSlice {
  readonly #path: string;
  readonly #start: number;
  readonly #limits: LogLimits;
  /** Bytes that `trim` left out for good, not counting those in the saved tail. */
  #leftOut = 0;
  #hasTail = false;
  /** Of the saved tail. */
  #savedBytes = 0;
  #isRead = false;

  /** Begins at the present end of the log at `path`, which need not exist yet. */
  constructor(path: string, limits: LogLimits = LOG_LIMITS) {
    this.#path = path;
    this.#limits = limits;
    this.#start = startOf(path);
  }

  /** Cuts the file back if it has grown too long. A failure leaves it as it is: the disk may be full. */
  trim(): void {
    const { headBytes, tailBytes, slackBytes } = this.#limits;
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    if (this.#isRead || size - this.#start <= headBytes + tailBytes + slackBytes) return;
    try {
      const fd = openSync(this.#path, 'r+');
      try {
        let end = size;
        let tail = readAt(fd, size - tailBytes, tailBytes);
        // What is printed while the tail is saved would go with the cut, and it may be the last line of all.
        for (let round = 0; round < SAVES; round += 1) {
          writeFileSync(this.#tailPath, tail);
          this.#hasTail = true;
          const grown = fstatSync(fd).size;
          if (grown === end) break;
          const more = readAt(fd, Math.max(end, grown - tailBytes), Math.min(grown - end, tailBytes));
          const both = Buffer.concat([tail, more]);
          tail = both.subarray(Math.max(0, both.byteLength - tailBytes));
          end = grown;
        }
        const lost = fstatSync(fd).size - (this.#start + headBytes) - tail.byteLength;
        ftruncateSync(fd, this.#start + headBytes);
        this.#leftOut += lost + this.#savedBytes;
        this.#savedBytes = tail.byteLength;
      } finally {
        closeSync(fd);
      }
    } catch {
      // A log is never worth a task.
    }
  }

  /** How much was printed since the task began, as far as it can be told. */
  get printedBytes(): number {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    return Math.max(0, size - this.#start) + this.#leftOut + this.#savedBytes;
  }

  /** What `read` would give now; the task goes on. Empty once it was read. */
  peek(): Buffer {
    if (this.#isRead) return Buffer.alloc(0);
    try {
      return this.#read();
    } catch {
      return Buffer.alloc(0);
    }
  }

  /** All that came since, with the middle left out if it is long. Read at once: four trips to a file thread cost more. */
  read(): Buffer {
    this.#isRead = true;
    try {
      return this.#read();
    } catch {
      // The actor never printed a byte, or its log is gone.
      return Buffer.alloc(0);
    } finally {
      if (this.#hasTail) rmSync(this.#tailPath, { force: true });
      this.#hasTail = false;
    }
  }

  #read(): Buffer {
    const { headBytes, tailBytes } = this.#limits;
    const fd = openSync(this.#path, 'r');
    try {
      const length = Math.max(0, fstatSync(fd).size - this.#start);
      const head = readAt(fd, this.#start, Math.min(length, headBytes));
      const fromRest = Math.min(length - head.byteLength, tailBytes);
      const saved = this.#hasTail && existsSync(this.#tailPath) ? readFileSync(this.#tailPath) : Buffer.alloc(0);
      const rest = Buffer.concat([saved, readAt(fd, this.#start + length - fromRest, fromRest)]);
      const tail = rest.subarray(Math.max(0, rest.byteLength - tailBytes));
      const leftOut = this.#leftOut + (length - head.byteLength - fromRest) + (rest.byteLength - tail.byteLength);
      return leftOut === 0 ? Buffer.concat([head, tail]) : joined(head, tail, leftOut);
    } finally {
      closeSync(fd);
    }
  }

  get #tailPath(): string {
    return `${this.#path}.tail`;
  }
}

/** Both ends with the cut between them, which falls between two lines where there are any. */
function joined(head: Buffer, tail: Buffer, leftOut: number): Buffer {
  const lastLine = head.lastIndexOf(LINE_FEED) + 1;
  const isLineNear = lastLine > 0 && head.byteLength - lastLine <= LINE_WITHIN_BYTES;
  const end = isLineNear ? lastLine : characterBefore(head);
  const nextLine = tail.indexOf(LINE_FEED) + 1;
  const start = nextLine > 0 && nextLine <= LINE_WITHIN_BYTES ? nextLine : characterAfter(tail);
  const missing = leftOut + (head.byteLength - end) + start;
  const mark = `${isLineNear ? '' : '\n'}[skein: ${missing} bytes of this log are left out here]\n`;
  return Buffer.concat([head.subarray(0, end), Buffer.from(mark), tail.subarray(start)]);
}

/** Where the last whole character of `bytes` ends, if they are UTF-8. */
function characterBefore(bytes: Buffer): number {
  for (let back = 1; back <= 4 && back <= bytes.byteLength; back += 1) {
    const byte = bytes[bytes.byteLength - back] ?? 0;
    if (isContinuation(byte)) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back && byte < 0xf8 ? bytes.byteLength - back : bytes.byteLength;
  }
  return bytes.byteLength;
}

/** Where the first whole character of `bytes` begins, if they are UTF-8. */
function characterAfter(bytes: Buffer): number {
  let start = 0;
  while (start < 4 && isContinuation(bytes[start] ?? 0)) start += 1;
  return start < 4 ? start : 0;
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

function startOf(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= NEW_LOG_ABOVE_BYTES) return size;
  try {
    // All that stands there belongs to tasks whose slices have been read.
    truncateSync(path, 0);
    return 0;
  } catch {
    return size;
  }
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, length));
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.byteLength, position));
}
