/** What an example database is made of, and the short forms in which its knowledge and its tasks are written down. */
import type { Random } from './random.ts';

export type Value = string | number | null;

export interface Example {
  readonly name: string;
  readonly seed: number;
  /** `wal` leaves the file in WAL mode, as some of BIRD-Interact's are. */
  readonly journal: 'delete' | 'wal';
  readonly ddl: readonly string[];
  /** Rows by table, parents first. */
  rows(random: Random): Readonly<Record<string, readonly (readonly Value[])[]>>;
  readonly meanings: Readonly<Record<string, unknown>>;
  readonly kb: readonly Knowledge[];
  readonly tasks: readonly ExampleTask[];
}

/** A KB item; its id is its place in the list. */
export interface Knowledge {
  readonly title: string;
  readonly about: string;
  readonly definition: string;
  readonly type: 'calculation_knowledge' | 'domain_knowledge' | 'value_illustration';
  readonly needs: readonly number[];
}

type Needs = readonly number[];
export const calculation = (title: string, about: string, definition: string, needs: Needs = []): Knowledge => ({
  title,
  about,
  definition,
  type: 'calculation_knowledge',
  needs,
});
export const domain = (title: string, about: string, definition: string, needs: Needs = []): Knowledge => ({
  title,
  about,
  definition,
  type: 'domain_knowledge',
  needs,
});
export const values = (title: string, about: string, definition: string): Knowledge => ({
  title,
  about,
  definition,
  type: 'value_illustration',
  needs: [],
});

export interface ExampleTask {
  readonly ask: string;
  /** The gold SQL; a task with several accepts the first. */
  readonly sql: string;
  readonly knowledge?: readonly number[];
  /** KB items that the agent must not see. */
  readonly masked?: readonly number[];
  /** Whether the order of rows counts. */
  readonly isOrdered?: boolean;
  /** A vague word of the question, and the SQL that it stands for. */
  readonly vague?: readonly [term: string, sql: string];
}
