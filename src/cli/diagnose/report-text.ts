/** A diagnosis as the one file that is sent to whoever can help. */
import { printable } from '../message-text.ts';
import { endText, type SectionEnd } from './section.ts';

/** What a name of a variable looks like whose value is nobody's to read. */
const SECRET_NAME = /(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$/i;
const LEAST_SECRET = 8;

/** The texts of the environment that may stand in no report. */
export function secretsOf(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && SECRET_NAME.test(name) && value.length >= LEAST_SECRET ? [value] : [],
  );
}

/** Takes every one of `secrets`, and whatever presents itself as a token, out of `text`. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) if (secret.length >= LEAST_SECRET) clean = clean.replaceAll(secret, '***');
  return clean.replaceAll(/Bearer [\w.~+/=-]{8,}/g, 'Bearer ***');
}

export function reportText(runId: string, ends: readonly SectionEnd[], nowMs: number): string {
  const alerts = alertsOf(ends);
  const lines = [
    `skein diagnose ${runId}, ${new Date(nowMs).toISOString()}`,
    '',
    'what stands out:',
    ...(alerts.length > 0 ? alerts.map((alert) => `  ${alert}`) : ['  nothing']),
    '',
    ...ends.map((end) => `  ${end.name}: ${endText(end)} (${end.elapsedS.toFixed(2)} s)`),
  ];
  for (const end of ends) {
    lines.push('', `=== ${end.name}: ${endText(end)}`, ...(end.kind === 'ok' ? end.lines : []));
  }
  return `${lines.map((line) => printable(line)).join('\n')}\n`;
}

/** Whose silence is itself a finding. */
const ASKED: ReadonlySet<string> = new Set(['head', 'store']);

export function alertsOf(ends: readonly SectionEnd[]): string[] {
  const silent = ends.flatMap((end) =>
    end.kind === 'failed' && ASKED.has(end.name) ? [`the ${end.name}: ${end.reason}`] : [],
  );
  return [...new Set([...silent, ...ends.flatMap((end) => (end.kind === 'ok' ? end.alerts : []))])];
}
