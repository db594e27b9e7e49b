/** What the log of a task says of how long its phases took: its `[timing]` lines (V-24, P-47). */

/** A phase of a task as its log tells it (V-24). */
export interface Phase {
  readonly phase: string;
  /** Undefined: it began and has no end, because it runs or its actor died in it. */
  readonly elapsedS: number | undefined;
  readonly error: string | undefined;
}

const TIMING = /^\[timing\] (\S+) (?:(start)|done \(([\d.]+) s\)|error: (.*) \(([\d.]+) s\))$/;

/** The phases in a task's log, in the order in which they began. */
export function phasesOf(log: string): Phase[] {
  const phases: { phase: string; elapsedS: number | undefined; error: string | undefined }[] = [];
  for (const line of log.split('\n')) {
    if (!line.startsWith('[timing] ')) continue;
    const [, phase, start, doneS, error, failedS] = TIMING.exec(line.trimEnd()) ?? [];
    if (phase === undefined) continue;
    if (start !== undefined) {
      phases.push({ phase, elapsedS: undefined, error: undefined });
      continue;
    }
    const elapsedS = Number(doneS ?? failedS);
    const open = phases.findLast((each) => each.phase === phase && each.elapsedS === undefined);
    // Its start may have been left out of a long log.
    if (open) Object.assign(open, { elapsedS, error });
    else phases.push({ phase, elapsedS, error });
  }
  return phases;
}
