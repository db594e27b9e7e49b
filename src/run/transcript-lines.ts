/** Transcripts as they lie in the store while a task runs: a line of JSON a message (V-02, V-08). */
import { parseJson } from '../kernel/json.ts';
import type { ReadEnd } from '../store/read-end.ts';

/** A transcript as far as it can be read. */
export interface TranscriptSight {
  readonly messages: readonly unknown[];
  /** Lines that are no JSON, by number. The last line may be one that is still being written. */
  readonly badLines: readonly number[];
  readonly skippedBytes: number;
}

/** The messages of a transcript in JSON lines. */
export function parseTranscript({ bytes, skippedBytes }: ReadEnd): TranscriptSight {
  const lines = bytes.toString('utf8').split('\n');
  // The first line after a skip is a piece of one.
  if (skippedBytes > 0) lines.shift();
  const messages: unknown[] = [];
  const badLines: number[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    try {
      messages.push(parseJson(`line ${index + 1}`, line));
    } catch {
      badLines.push(index + 1);
    }
  }
  return { messages, badLines, skippedBytes };
}
