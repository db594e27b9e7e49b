/**
 * What one database's encode works with: the database, its columns by name, its joins, the other items, and the models
 * that entities are written to. One per session.
 */
import { DatabaseSync } from 'node:sqlite';

import type { EncoderWorkspace } from '../reference/encoder.ts';
import type { Model } from '../reference/model.ts';
import type { ExpansionContext } from './expansion.ts';
import { JoinGraph } from './joins.ts';
import { KnowledgeIndex, type Derived } from './knowledge-index.ts';
import { entityNames } from './naming.ts';
import { SchemaIndex } from './schema-index.ts';

export class Workbench implements ExpansionContext, Disposable {
  readonly workspace: EncoderWorkspace;
  readonly database: DatabaseSync;
  readonly index: SchemaIndex;
  readonly graph: JoinGraph;
  readonly knowledge: KnowledgeIndex;
  readonly names: ReadonlyMap<number, string>;
  /** Names of the models that are tables. */
  readonly models: readonly string[];
  readonly #derived = new Map<string, Derived>();

  /** @throws when the database cannot be opened */
  constructor(workspace: EncoderWorkspace) {
    this.workspace = workspace;
    this.database = new DatabaseSync(workspace.databasePath, { readOnly: true });
    this.index = new SchemaIndex(workspace.models, this.database);
    this.graph = new JoinGraph(workspace.models, this.database);
    this.knowledge = new KnowledgeIndex(workspace.kb);
    this.names = entityNames(workspace.kb);
    this.models = [...workspace.models.values()].filter(isTable).map(({ name }) => name);
  }

  readonly derivedOf = (model: string, column: string): Derived | undefined => this.#derived.get(`${model}.${column}`);

  /** Notes an entity, so that items that depend on it can name it. */
  remember(derived: Derived): void {
    this.knowledge.derived.set(derived.kbId, derived);
    if (derived.kind === 'column') this.#derived.set(`${derived.ref.model}.${derived.ref.column}`, derived);
  }

  [Symbol.dispose](): void {
    this.database.close();
  }
}

const isTable = ({ sql_table: table, hidden }: Model): boolean => table !== undefined && !hidden;
