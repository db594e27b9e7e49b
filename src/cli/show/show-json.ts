/** `skein show --json`: the names are part of the command line's contract (docs/cli.md). */
import type { ShowFacts } from './show-text.ts';

export function showJson({ runId, instanceId, manifest, state, objects, attempts, picture }: ShowFacts): unknown {
  const { attempt, row, seen, log, files, transcript, phases, timingsMs, problems } = picture;
  return {
    run_id: runId,
    instance_id: instanceId,
    database: manifest.databases[instanceId] ?? row?.['database'] ?? '',
    state: state.kind,
    why: state.why || null,
    running: state.kind === 'running' ? { node: state.node, elapsed_s: state.elapsedS } : null,
    canonical: objects.speaker
      ? { attempt: objects.speaker.file.attempt, object: objects.speaker.object, why: state.speaks }
      : null,
    attempts,
    asked: state.asked.map(({ attempt: number, reason, by, atMs }) => ({ attempt: number, reason, by, at_ms: atMs })),
    rows: objects.rows.map((each) => ({
      attempt: each.file.attempt,
      kind: each.file.kind,
      object: each.object,
      bytes: each.sizeBytes,
      updated_ms: each.updatedMs,
      error: each.row?.['error'] ?? null,
      is_synthetic: Boolean(each.row?.['synthetic']),
      is_readable: each.row !== undefined,
      speaks: each === objects.speaker,
    })),
    attempt: attempt ?? null,
    object: seen?.object ?? null,
    row: row ?? null,
    node: row?.['node'] ?? (picture.isRunning ? state.node : null),
    timings_ms: timingsMs ?? null,
    phases: phases.map(({ phase, elapsedS, error }) => ({ phase, elapsed_s: elapsedS ?? null, error: error ?? null })),
    log: log
      ? {
          object: log.object,
          bytes: log.sizeBytes,
          is_partial: log.isPartial,
          is_binary: log.isBinary,
          last_lines: lastLinesOf(log.text, 20),
        }
      : null,
    files: files.map(({ path, object, sizeBytes }) => ({ path, object, bytes: sizeBytes })),
    transcript: transcript
      ? { source: transcript.source, is_partial: transcript.isPartial, messages: transcript.messages }
      : null,
    problems,
  };
}

/** The last `count` lines of `text`. */
export function lastLinesOf(text: string, count: number): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.slice(-count);
}
