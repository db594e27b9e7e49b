/** What lies on this machine: a daemon's data dir, dead or alive, the log of a command that ran the run, and this command. */
import { arch, freemem, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';

import { readReady } from '../../daemon/ready-file.ts';
import { recentLines } from '../../daemon/rotating-log.ts';
import { systemCode } from '../../kernel/errors.ts';
import { lastLines } from '../../kernel/file-tail.ts';
import { VERSION } from '../../kernel/version.ts';
import { bytesText } from '../show/show-text.ts';
import { logFindings } from './head-sections.ts';
import { SkippedSection, type Findings, type Section } from './section.ts';
import type { Sources } from './sources.ts';

const LOG_BYTES = 1024 * 1024;

/** @param logFile of the command that ran the run; absolute */
export function localSections({ dataDir, lines }: Sources, logFile: string): Section[] {
  return [
    { name: 'data dir', look: async () => dataDirFindings(dataDir) },
    {
      name: 'data dir log',
      look: async () => logFindings(recentLines(join(need(dataDir), 'log'), lines), `the daemon of ${dataDir}`),
    },
    { name: 'command log', look: async () => commandLog(logFile, lines) },
    { name: 'this machine', look: async () => machineFindings() },
  ];
}

function need(dataDir: string | undefined): string {
  if (dataDir !== undefined) return dataDir;
  throw new SkippedSection('no --data-dir was given');
}

async function dataDirFindings(typed: string | undefined): Promise<Findings> {
  const dataDir = need(typed);
  const ready = await readReady(dataDir);
  if (!ready) {
    return {
      lines: [`${dataDir}: no ready.json: its daemon was stopped in good order, is just starting, or never was`],
      alerts: [`no daemon is ready in ${dataDir}`],
    };
  }
  const isAlive = isProcess(ready.pid);
  return {
    lines: [dataDir, JSON.stringify(ready), isAlive ? `process ${ready.pid} lives` : `process ${ready.pid} is gone`],
    alerts: isAlive ? [] : [`the ${ready.kind} of ${dataDir} is dead: process ${ready.pid} is gone`],
  };
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's: it lives.
    return systemCode(error) === 'EPERM';
  }
}

function commandLog(logFile: string, lines: number): Findings {
  const log = lastLines(logFile, { lines, bytes: LOG_BYTES });
  if (log.length === 0)
    throw new SkippedSection(`nothing is in ${logFile}: no command ran it here, or --log-file is elsewhere`);
  const { alerts = [] } = logFindings(log, 'the command');
  return { lines: [logFile, ...log], alerts };
}

function machineFindings(): Findings {
  return {
    lines: [
      `skein ${VERSION}, Node ${process.version}, ${platform()} ${release()} ${arch()}`,
      `memory ${bytesText(freemem())} free of ${bytesText(totalmem())}, load ${loadavg()
        .map((load) => load.toFixed(2))
        .join(' ')}`,
      `the time here is ${new Date().toISOString()}`,
    ],
  };
}
