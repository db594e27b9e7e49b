/**
 * Which process wrote a lease, in a form that another one on the same machine can check: proof of death without waiting
 * (Linux only; elsewhere there is no proof, and a lease is waited out).
 *
 * Invariants: P1 `gone` is said only of a process of this very boot and pid namespace whose pid is free or belongs to a
 * process that started at another moment.
 */
import { readFileSync, readlinkSync } from 'node:fs';

/** `<boot id>/<pid namespace>/<pid>/<start time>`, or empty where the system does not tell. */
export function ownProcess(): string {
  const place = placeOf();
  const started = place && startedAt(process.pid);
  return started ? `${place}/${process.pid}/${started}` : '';
}

/** Whether the process of `identity` is certainly dead. */
export function isProcessGone(identity: string): boolean {
  const [boot, namespace, pid, started] = identity.split('/');
  if (!started || `${boot}/${namespace}` !== placeOf()) return false;
  return startedAt(Number(pid)) !== started;
}

function placeOf(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}/${readlinkSync('/proc/self/ns/pid').replace(/^pid:\[(\d+)\]$/, '$1')}`;
  } catch {
    return undefined;
  }
}

/** In clock ticks since boot; undefined if there is no such process, or only its zombie. */
function startedAt(pid: number): string | undefined {
  try {
    // The name, in parentheses, may hold anything; state and start time are fields 3 and 22.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
