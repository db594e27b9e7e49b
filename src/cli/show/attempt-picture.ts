/** What one attempt of a task left: log, files, transcript, phases. Read for `skein show`; bad parts are named. */
import { describeError, isSkeinError } from '../../kernel/errors.ts';
import type { StoredRow } from '../../run/canonical-row.ts';
import { phasesOf, type Phase } from '../../run/task-phases.ts';
import {
  speakerOfAttempt,
  type SeenFile,
  type SeenLog,
  type SeenRow,
  type SightProblem,
  type TaskObjects,
} from '../../run/task-sight.ts';
import { parseTranscript } from '../../run/transcript-lines.ts';
import { type PersistOptions } from '../../store/create-or-confirm.ts';
import type { ObjectStore } from '../../store/port.ts';
import { isBinary, readEnd } from '../../store/read-end.ts';

export interface LogPicture extends SeenLog {
  readonly isBinary: boolean;
  /** All that was read of it; empty for a binary one. */
  readonly text: string;
  /** Bytes before that. */
  readonly skippedBytes: number;
}

export interface TranscriptPicture {
  /** `row`: the framework's own, whole. Else the object that it was read from: as far as it was stored. */
  readonly source: string;
  readonly isPartial: boolean;
  readonly messages: readonly unknown[];
  /** Whether earlier messages were left away because it is too long. */
  readonly isCut: boolean;
}

export interface AttemptPicture {
  /** Undefined: no attempt has left anything, and none runs. */
  readonly attempt: number | undefined;
  readonly isRunning: boolean;
  /** The row that speaks for the attempt. */
  readonly seen: SeenRow | undefined;
  readonly row: StoredRow | undefined;
  readonly log: LogPicture | undefined;
  readonly files: readonly SeenFile[];
  readonly transcript: TranscriptPicture | undefined;
  readonly phases: readonly Phase[];
  /** Milliseconds by phase as the row has them; undefined: it has none. */
  readonly timingsMs: Readonly<Record<string, number>> | undefined;
  readonly problems: readonly SightProblem[];
}

export interface PictureRequest {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly instanceId: string;
  readonly objects: TaskObjects;
  readonly attempt: number | undefined;
  readonly isRunning: boolean;
  readonly options: PersistOptions;
}

export async function attemptPicture(request: PictureRequest): Promise<AttemptPicture> {
  const { objects, attempt, isRunning } = request;
  const problems: SightProblem[] = [...objects.problems];
  if (attempt === undefined) {
    return {
      ...{ attempt, isRunning, seen: undefined, row: undefined, log: undefined, files: [] },
      ...{ transcript: undefined, phases: [], timingsMs: undefined, problems },
    };
  }
  const seen = speakerOfAttempt(objects.rows, attempt);
  const row = seen?.row;
  const [log, transcript] = await Promise.all([
    readLog(request, attempt, problems),
    readTranscript(request, attempt, row, problems),
  ]);
  return {
    attempt,
    isRunning,
    seen,
    row,
    log,
    files: objects.files.filter((file) => file.attempt === attempt),
    transcript,
    phases: log ? phasesOf(log.text) : [],
    timingsMs: timingsOf(row),
    problems,
  };
}

async function readLog(
  { store, objects, options }: PictureRequest,
  attempt: number,
  problems: SightProblem[],
): Promise<LogPicture | undefined> {
  const logs = objects.logs.filter((each) => each.attempt === attempt);
  const log = logs.find(({ isPartial }) => !isPartial) ?? logs[0];
  if (!log) return undefined;
  try {
    const read = await readEnd(store, { name: log.object, sizeBytes: log.sizeBytes }, options);
    if (!read) throw new Error('it was listed and is gone');
    const isNoText = isBinary(read.bytes);
    if (isNoText) problems.push({ object: log.object, reason: `it is binary, ${log.sizeBytes} bytes: not shown` });
    return {
      ...log,
      isBinary: isNoText,
      text: isNoText ? '' : read.bytes.toString('utf8'),
      skippedBytes: read.skippedBytes,
    };
  } catch (error) {
    if (isSkeinError(error, 'CANCELLED')) throw error;
    problems.push({ object: log.object, reason: describeError(error) });
    return undefined;
  }
}

/** The row's own, else what was stored while it ran: the attempt's copy in its bundle, or the one beside the rows. */
async function readTranscript(
  { store, objects, options, isRunning }: PictureRequest,
  attempt: number,
  row: StoredRow | undefined,
  problems: SightProblem[],
): Promise<TranscriptPicture | undefined> {
  const trajectory = row?.['trajectory'];
  if (Array.isArray(trajectory) && trajectory.length > 0) {
    return {
      source: 'row',
      isPartial: false,
      messages: trajectory as unknown[],
      isCut: 'truncated_fields' in (row ?? {}),
    };
  }
  const own = objects.files.find((file) => file.attempt === attempt && file.path === 'partial_transcript.jsonl');
  // The one beside the rows is of whichever attempt ran last.
  const isLast = isRunning || attempt === objects.attempts.at(-1);
  const beside = isLast &&
    objects.transcript && { object: objects.transcript.name, sizeBytes: objects.transcript.sizeBytes };
  // Both grow: while it runs the one beside the rows is the first to be sent.
  const found = isRunning ? (beside ?? own) : (own ?? beside);
  if (!found) return undefined;
  try {
    const read = await readEnd(store, { name: found.object, sizeBytes: found.sizeBytes }, options);
    if (!read) throw new Error('it was listed and is gone');
    const { messages, badLines, skippedBytes } = parseTranscript(read);
    if (badLines.length > 0) {
      const named = `line ${badLines.slice(0, 5).join(', ')}${badLines.length > 5 ? ` and ${badLines.length - 5} more` : ''}`;
      problems.push({ object: found.object, reason: `${named}: no JSON; the other messages are shown` });
    }
    return { source: found.object, isPartial: row === undefined, messages, isCut: skippedBytes > 0 };
  } catch (error) {
    if (isSkeinError(error, 'CANCELLED')) throw error;
    problems.push({ object: found.object, reason: describeError(error) });
    return undefined;
  }
}

function timingsOf(row: StoredRow | undefined): Readonly<Record<string, number>> | undefined {
  const timings = row?.['timings_ms'];
  if (timings === null || typeof timings !== 'object' || Array.isArray(timings)) return undefined;
  return Object.fromEntries(
    Object.entries(timings).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}
