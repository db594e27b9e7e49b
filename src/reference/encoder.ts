/**
 * The port of an encoder (G-08): the reference builder knows no rules and no agents; it is handed one of these.
 */
import type { KbRow, ColumnMeanings } from '../dataset/task.ts';
import type { Model, SetupResult } from './model.ts';

/** What an encoder may see and edit while one database is built. */
export interface EncoderWorkspace {
  readonly database: string;
  /** A private copy of the database; the encoder may open it read-only. */
  readonly databasePath: string;
  /** By name; stage-1 models to begin with. The encoder adds entities here, tagged `meta.kb_id`. */
  readonly models: Map<string, Model>;
  readonly meanings: ColumnMeanings;
  readonly kb: ReadonlyMap<number, KbRow>;
  /** Where the encoder may leave a session per item, shipped as the setup sessions (U-02). */
  readonly sessionsDir: string;
}

/** One encoder at work on one database. Items come children first; independent ones may overlap (G-03). */
export interface EncoderSession extends AsyncDisposable {
  /**
   * Encodes one KB item. Never throws for an item that cannot be encoded: that is `deferred`, with a question.
   * @param results what became of the items that this one depends on, by id
   * @param parents the acyclic items that depend on this one (G-04)
   */
  encode(row: KbRow, results: ReadonlyMap<number, SetupResult>, parents: readonly KbRow[]): Promise<SetupResult>;
}

export interface Encoder {
  /** Part of a reference's identity (DESIGN rule 6). */
  readonly id: string;
  readonly version: string;
  /** Whether an encode costs money: free references are rebuilt when their identity differs, paid ones never silently. */
  readonly isPaid: boolean;
  open(workspace: EncoderWorkspace): Promise<EncoderSession>;
}
