/**
 * What a command of `skein` is. One file each in `commands/`; the table that lists them is in `program.ts`.
 */
import type { CliContext } from './context.ts';
import type { Flags } from './flags.ts';

/** A flag as a person types it. Every value is a text; the command parses it (`values.ts`). */
export interface FlagSpec {
  /** What the value stands for in the help, `DIR`; absent: a switch without value. */
  readonly value?: string;
  readonly describe: string;
  /** As the help shows it; applying it is the command's business. */
  readonly default?: string;
  readonly alias?: string;
  /** Known so that typing it is answered with the reason why it is refused; the help does not show it. */
  readonly isHidden?: boolean;
}

export interface PositionalSpec {
  readonly name: string;
  readonly describe: string;
  readonly isOptional?: boolean;
}

export interface Command {
  readonly name: string;
  readonly describe: string;
  readonly positionals: readonly PositionalSpec[];
  readonly flags: Readonly<Record<string, FlagSpec>>;
  /** Command lines with what they do. */
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** The exit code. @throws SkeinError */
  run(flags: Flags, context: CliContext): Promise<number>;
}
