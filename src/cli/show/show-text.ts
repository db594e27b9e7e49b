/** `skein show` for a person: sections, each only where there is something to say. */
import type { Manifest } from '../../run/manifest.ts';
import type { SeenRow, TaskObjects } from '../../run/task-sight.ts';
import { messageText, printable } from '../message-text.ts';
import type { Colors } from '../output.ts';
import { durationText, plural } from '../progress-text.ts';
import { tableText } from '../table.ts';
import type { AttemptPicture } from './attempt-picture.ts';
import { lastLinesOf } from './show-json.ts';
import type { TaskState } from './task-state.ts';

export interface ShowFacts {
  readonly runId: string;
  readonly instanceId: string;
  readonly manifest: Manifest;
  readonly state: TaskState;
  readonly objects: TaskObjects;
  /** That left anything, or run. */
  readonly attempts: readonly number[];
  readonly picture: AttemptPicture;
}

const LOG_LINES = 15;
const MESSAGES = 6;
const FILES = 25;

export function showText(facts: ShowFacts, colors: Colors): string[] {
  const { runId, instanceId, manifest, picture } = facts;
  const database = manifest.databases[instanceId] ?? picture.row?.['database'];
  const title = `${instanceId} of run ${runId}${database ? `, database ${textOf(database)}` : ''}`;
  const sections: [name: string, lines: string[]][] = [
    ['', [colors.bold(title), stateLine(facts)]],
    ['attempts', attemptLines(facts)],
    [picture.attempt === undefined ? '' : `attempt ${picture.attempt}`, rowLines(facts)],
    ['submitted SQL', textLines(picture.row?.['submitted_sql'])],
    ['submitted query', textLines(picture.row?.['submitted_query'])],
    ['error', textLines(picture.row?.['error'])],
    ['observation', textLines(picture.row?.['phase2_observation'] ?? picture.row?.['phase1_observation'])],
    ['time by phase', phaseLines(picture)],
    ['files', fileLines(picture)],
    [...transcriptSection(picture)],
    [...logSection(picture)],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .flatMap(([name, lines], at) => [...(at > 0 ? [''] : []), ...(name === '' ? [] : [colors.bold(name)]), ...lines]);
}

function stateLine({ state, picture }: ShowFacts): string {
  switch (state.kind) {
    case 'running':
      return `running for ${durationText(state.elapsedS)}${state.node ? ` at node ${state.node}` : ''}, by the last heartbeat`;
    case 'open':
      return `open: ${state.why}`;
    case 'error':
      return 'ended with an error';
    case 'done':
      return `ended: ${textOf(picture.row?.['submission_status'] ?? 'ok')}`;
  }
}

function attemptLines({ objects, state }: ShowFacts): string[] {
  const asked = state.asked.map(
    ({ attempt, reason, by }) => `attempt ${attempt} was asked for${by ? ` by ${by}` : ''}: ${printable(reason)}`,
  );
  if (objects.rows.length === 0) return asked;
  const rows = objects.rows.map((seen) => [
    ...[seen.file.attempt, kindText(seen), outcomeText(seen), new Date(seen.updatedMs).toISOString().slice(0, 19)],
    seen === objects.speaker ? 'counts' : '',
  ]);
  const table = tableText(['attempt', 'row', 'outcome', 'stored (UTC)', ''], rows, (column) => column === 'attempt');
  return [...table.split('\n'), ...(state.speaks ? [`it counts as ${state.speaks}`] : []), ...asked];
}

function kindText({ file }: SeenRow): string {
  if (file.kind === 'duplicate') return `duplicate ${file.duplicate}`;
  return file.kind;
}

function outcomeText({ row }: SeenRow): string {
  if (!row) return 'unreadable';
  const synthetic = row['synthetic'] as { reason?: unknown } | undefined | null;
  const error = row['error']
    ? `error: ${firstLine(textOf(row['error']), 60)}`
    : textOf(row['submission_status'] ?? 'ok');
  return synthetic ? `${error} (synthetic)` : error;
}

function rowLines({ picture, state }: ShowFacts): string[] {
  const { row, seen, attempt, isRunning } = picture;
  if (attempt === undefined) return [];
  if (!row) return [isRunning ? 'it runs: no row yet' : 'no row that can be read'];
  const lines = [
    `object      ${seen?.object ?? ''} (${bytesText(seen?.sizeBytes ?? 0)})`,
    `verdict     ${textOf(row['submission_status'])}, phase 1 ${passed(row['phase1_passed'])}, phase 2 ${passed(row['phase2_passed'])}, reward ${textOf(row['total_reward'])}`,
  ];
  const where = textOf(row['node'] ?? (state.kind === 'running' ? state.node : ''));
  const startedS = row['started_at'];
  if (typeof startedS === 'number' && startedS > 0) {
    lines.push(
      `started     ${new Date(startedS * 1000).toISOString().slice(0, 19)} UTC${where ? ` at node ${where}` : ''}`,
    );
  } else if (where) lines.push(`at          node ${where}`);
  if (typeof row['duration_s'] === 'number') lines.push(`took        ${durationText(row['duration_s'])}`);
  if (typeof row['n_agent_turns'] === 'number') lines.push(`turns       ${row['n_agent_turns']}`);
  const synthetic = row['synthetic'] as Record<string, unknown> | undefined | null;
  if (synthetic) {
    const { reason, cause, ...more } = synthetic;
    lines.push(`synthetic   ${textOf(reason)}: ${printable(textOf(cause))}`);
    if (Object.keys(more).length > 0) lines.push(`            ${JSON.stringify(more)}`);
  }
  const cut = row['truncated_fields'];
  if (cut !== null && typeof cut === 'object') {
    const named = Object.entries(cut).map(([field, bytes]) => `${field} (${bytesText(Number(bytes))})`);
    if (named.length > 0) lines.push(`cut         ${named.join(', ')}`);
  }
  return lines;
}

function phaseLines({ phases, timingsMs, isRunning, log }: AttemptPicture): string[] {
  const shown = phases.map(({ phase, elapsedS, error }) => [
    phase,
    elapsedS === undefined ? (isRunning || log?.isPartial ? 'running' : 'no end') : elapsedS.toFixed(3),
    error ? `error: ${printable(error)}` : '',
  ]);
  const seen = new Set(phases.map(({ phase }) => phase));
  // What the log does not name: sums, such as all SQL of the task.
  const more = Object.entries(timingsMs ?? {}).filter(([phase]) => !seen.has(phase));
  shown.push(...more.map(([phase, ms]) => [phase, (ms / 1000).toFixed(3), 'in all']));
  if (shown.length === 0) return [];
  return tableText(['phase', 'seconds', ''], shown, (column) => column === 'seconds').split('\n');
}

function fileLines({ files }: AttemptPicture): string[] {
  if (files.length === 0) return [];
  const shown = files.slice(0, FILES).map(({ path, sizeBytes }) => [bytesText(sizeBytes), path]);
  const all = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const table = tableText(['size', 'path'], shown, (column) => column === 'size').split('\n');
  const rest = files.length > FILES ? [`and ${files.length - FILES} more`] : [];
  return [...table, ...rest, `${plural(files.length, 'file')}, ${bytesText(all)}`];
}

function transcriptSection({ transcript }: AttemptPicture): [string, string[]] {
  if (!transcript) return ['', []];
  const { messages, isPartial, isCut } = transcript;
  const last = messages.slice(-MESSAGES).map((message) => messageText(message));
  const of = `${isPartial ? 'as far as it is stored, ' : ''}the last ${last.length} of ${isCut ? 'more than ' : ''}${plural(messages.length, 'message')}`;
  return [`transcript (${of})`, last];
}

function logSection({ log }: AttemptPicture): [string, string[]] {
  if (!log || log.isBinary) return ['', []];
  const lines = lastLinesOf(log.text, LOG_LINES);
  const of = `${log.isPartial ? 'as far as it is stored, ' : ''}the last ${plural(lines.length, 'line')} of ${bytesText(log.sizeBytes)}`;
  return [`log (${of})`, lines.map((line) => printable(line))];
}

function textLines(value: unknown): string[] {
  const text = textOf(value);
  if (text === '') return [];
  const lines = printable(text).split('\n');
  return lines.length <= 40 ? lines : [...lines.slice(0, 40), `… ${lines.length - 40} more lines`];
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function firstLine(text: string, characters: number): string {
  const line = printable(text.split('\n', 1)[0] ?? '');
  return line.length <= characters ? line : `${line.slice(0, characters - 1)}…`;
}

const passed = (value: unknown): string => (value ? 'passed' : 'not passed');

export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
