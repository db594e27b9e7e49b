/**
 * Who holds a lock: a small record beside it, written by its holder and removed at its release. For people (error
 * texts), and for the next holder, who learns from it whether a lock directory was left by the dead.
 *
 * Not here: any exclusion. A record that cannot be read says nothing.
 */
import { readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

import { z } from 'zod';

const schema = z.object({
  pid: z.number(),
  /** Clock ticks after boot at which the process started: with pid and boot, one process for ever. Empty where unknown. */
  start: z.string(),
  /** Of this boot of the machine. */
  boot: z.string(),
  /** The namespace in which the pid counts. */
  pid_namespace: z.string(),
  host: z.string(),
  /** For what: a run, a command. */
  owner: z.string(),
  since_ms: z.number(),
  /** Inode of the lock directory that it made; empty while it is making it. */
  directory: z.string(),
});
export type LockHolder = z.infer<typeof schema>;

function readOr(path: string, absent: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return absent;
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** When `pid` started (field 22 of `/proc/<pid>/stat`; the second may hold blanks); empty when it is gone or a zombie. */
function startOf(pid: number): string {
  const text = readOr(`/proc/${pid}/stat`, '');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
}

let own: Pick<LockHolder, 'pid' | 'start' | 'boot' | 'pid_namespace' | 'host'> | undefined;

/** This process as a holder from now on. */
export function ownRecord(owner: string): LockHolder {
  own ??= {
    pid: process.pid,
    start: startOf(process.pid),
    boot: readOr('/proc/sys/kernel/random/boot_id', ''),
    pid_namespace: pidNamespace(),
    host: hostname(),
  };
  return { ...own, owner, since_ms: Date.now(), directory: '' };
}

/** Whole or not at all; not synced, a crash of the machine makes it worthless anyway. */
export function writeHolder(path: string, holder: LockHolder): void {
  const temp = `${path}.${process.pid}-new`;
  writeFileSync(temp, JSON.stringify(holder));
  renameSync(temp, path);
}

export function readHolder(path: string): LockHolder | undefined {
  try {
    return schema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

export function removeHolder(path: string): void {
  rmSync(path, { force: true });
}

/**
 * Whether `holder` cannot be alive, asked by whoever has just been given the kernel lock that every holder keeps for as
 * long as it lives: a process of another pid namespace on this boot is dead then. Of another machine nothing is known.
 */
export function isDead(holder: LockHolder): boolean {
  const me = ownRecord('');
  if (holder.boot !== me.boot) return holder.host === me.host;
  if (holder.pid_namespace !== me.pid_namespace) return true;
  return startOf(holder.pid) !== holder.start || holder.start === '';
}

/** `pid 123 on host-a (run x) since 2026-…`. */
export function describeHolder({ pid, host, owner, since_ms: sinceMs }: LockHolder): string {
  return `pid ${pid} on ${host}${owner ? ` (${owner})` : ''} since ${new Date(sinceMs).toISOString()}`;
}
