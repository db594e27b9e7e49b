/**
 * `skein diagnose RUN`: what head, nodes, store and this machine say of a run, in one file (V-04, P-04). Works without a head,
 * with a dead one, and on the log of a command.
 *
 * Invariant: D2 whatever fails is a section that says so; what ends the command is a mistake in what was typed, a run that
 * the store certainly does not have, and a report that cannot be written.
 */
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import { isSkeinError, SkeinError } from '../../kernel/errors.ts';
import { parseRunId } from '../../kernel/ids.ts';
import { withDeadline } from '../../kernel/retry.ts';
import { writeFileDurable } from '../../store/durable-file.ts';
import type { CliContext } from '../context.ts';
import { headSections } from '../diagnose/head-sections.ts';
import { localSections } from '../diagnose/local-sections.ts';
import { alertsOf, reportText, secretsOf, withoutSecrets } from '../diagnose/report-text.ts';
import { endText, runSection, type SectionEnd } from '../diagnose/section.ts';
import { openSources, type Sources } from '../diagnose/sources.ts';
import { storeSections } from '../diagnose/store-sections.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { plural } from '../progress-text.ts';
import { absoluteFile } from '../shared-flags.ts';
import { parseCount, parseSeconds } from '../values.ts';

/** Does it. The exit code. @throws SkeinError */
export async function diagnose(flags: Flags, context: CliContext): Promise<number> {
  const { out, err, env, stop } = context;
  const runId = parseRunId('RUN', flags.need('run', 'skein diagnose RUN'));
  const lines = parseCount('--lines', flags.get('lines') ?? '200', { min: 0, max: 1000 });
  const timeoutMs = parseSeconds('--timeout', flags.get('timeout') ?? '10', 0.1);
  const path = absoluteFile(flags, 'out') ?? resolve(`${runId}-diagnose.txt`);
  await checkPlace(path);
  const typedDir = flags.get('data-dir');
  const dataDir = typedDir === undefined ? undefined : resolve(typedDir);
  const logFile = absoluteFile(flags, 'log-file') ?? resolve('skein-data', 'out', `${runId}.log`);
  await using sources = await openSources(flags, context, { runId, lines, dataDir, timeoutMs });
  await refuseUnknownRun(sources, timeoutMs, stop.drain);

  const sections = [...storeSections(sources), ...headSections(sources), ...localSections(sources, logFile)];
  const ends = await Promise.all(sections.map((section) => runSection(section, timeoutMs, stop.drain)));
  const secrets = [...sources.secrets, ...secretsOf(env)];
  await write(path, withoutSecrets(reportText(runId, ends, Date.now()), secrets));
  if (flags.has('json')) {
    out.line(withoutSecrets(JSON.stringify(asJson(runId, path, ends)), secrets));
    return OK;
  }
  const alerts = alertsOf(ends);
  out.line(alerts.length > 0 ? 'what stands out:' : 'nothing stands out');
  for (const alert of alerts) out.line(withoutSecrets(`  ${alert}`, secrets));
  for (const end of ends)
    if (end.kind === 'failed') err.line(withoutSecrets(`skein: ${end.name}: ${endText(end)}`, secrets));
  const good = ends.filter(({ kind }) => kind === 'ok').length;
  out.line(`${plural(good, 'part')} of ${ends.length} in the report:`);
  out.line(path);
  return OK;
}

/** A run that is not there has nothing to be diagnosed. A store that does not answer is itself a finding. */
async function refuseUnknownRun(sources: Sources, timeoutMs: number, signal: AbortSignal): Promise<void> {
  try {
    await withDeadline('the manifest', timeoutMs, signal, () => sources.manifest());
  } catch (error) {
    const isUnknown = isSkeinError(error, 'NOT_FOUND') && error.fields['run'] === sources.runId;
    if (isUnknown || signal.aborted) throw error;
  }
}

/** @throws SkeinError INVALID_INPUT for a place that no report can be written to, before anything is asked */
async function checkPlace(path: string): Promise<void> {
  const shown = `--out: ${JSON.stringify(path)}`;
  const fields = { field: '--out' };
  const standing = await stat(path).catch(() => undefined);
  if (standing?.isDirectory()) throw new SkeinError('INVALID_INPUT', `${shown} is a folder; name a file`, { fields });
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory()) return;
  throw new SkeinError('INVALID_INPUT', `${shown}: ${dirname(path)} is no folder; make it, or name another file`, {
    fields,
  });
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFileDurable(path, Buffer.from(text), { mode: 0o600 });
  } catch (error) {
    throw new SkeinError('PREFLIGHT', `--out: ${JSON.stringify(path)} cannot be written`, { cause: error });
  }
}

function asJson(runId: string, path: string, ends: readonly SectionEnd[]): unknown {
  return {
    run_id: runId,
    report: path,
    stands_out: alertsOf(ends),
    sections: ends.map((end) => ({
      name: end.name,
      state: end.kind,
      elapsed_s: end.elapsedS,
      ...(end.kind === 'ok' ? { lines: end.lines } : { reason: end.reason }),
    })),
    exit_code: OK,
  };
}
