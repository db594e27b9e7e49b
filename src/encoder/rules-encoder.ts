/**
 * The encoder that needs no model: it reads definitions by rules of formulas and language, and leaves what they do not
 * settle to a question. It knows nothing of any particular database.
 *
 * Invariants: E1 an entity is written only after it ran on the database and agreed with its formula on sampled rows.
 * E2 the same workspace gives the same entities, in whatever order independent items come. E3 an item that fails within
 * is deferred, with the reason; nothing of it stays in the models.
 */
import type { KbRow } from '../dataset/task.ts';
import { describeError } from '../kernel/errors.ts';
import type { Encoder, EncoderSession, EncoderWorkspace } from '../reference/encoder.ts';
import type { Entity, Meta, SetupResult } from '../reference/model.ts';
import { encodeFormula } from './calculation.ts';
import { encodeCondition, encodeValueList } from './classification.ts';
import { freeName } from './naming.ts';
import { deferred, derivedFrom, type EntityDraft, type Outcome } from './outcome.ts';
import { addSession, beginSessions } from './session-file.ts';
import { Workbench } from './workbench.ts';

export const rulesEncoder: Encoder = {
  id: 'rules',
  version: '1',
  isPaid: false,
  open: async (workspace) => new RulesSession(workspace),
};

class RulesSession implements EncoderSession {
  readonly #bench: Workbench;
  readonly #workspace: EncoderWorkspace;

  constructor(workspace: EncoderWorkspace) {
    this.#workspace = workspace;
    beginSessions(workspace.sessionsDir);
    this.#bench = new Workbench(workspace);
  }

  async encode(row: KbRow, results: ReadonlyMap<number, SetupResult>): Promise<SetupResult> {
    let outcome: Outcome;
    try {
      outcome = readItem(row, results, this.#bench);
    } catch (error) {
      outcome = deferred(`reading it failed: ${describeError(error)}`);
    }
    const result = outcome.kind === 'encoded' ? this.#write(row, outcome.draft, outcome.verdict) : putOff(row, outcome);
    addSession(this.#workspace.sessionsDir, row, outcome, result);
    return result;
  }

  #write(row: KbRow, draft: EntityDraft, { rows, nonNull }: { rows: number; nonNull: number }): SetupResult {
    const { models, database } = this.#workspace;
    const host = models.get(draft.host)!;
    const name = freeName(this.#bench.names.get(row.id)!, row.id, host, models);
    const derived = derivedFrom(draft, row.id, name);
    const meta: Meta = { kb_id: row.id, ...(derived.kbIds.length > 1 && { kb_ids: [...derived.kbIds] }) };
    const description = `${row.knowledge}: ${row.description}`.slice(0, 500);
    if (draft.kind === 'measure') host.measures.push({ name, formula: draft.text, description, meta });
    else {
      const format = draft.type === 'INT' ? 'integer' : draft.type === 'DOUBLE' ? 'float' : undefined;
      const fixed = { primary_key: false, unique: false, description, hidden: false };
      host.columns.push({
        name,
        sql: draft.text,
        type: draft.type,
        ...fixed,
        ...(format && { format: { type: format } }),
        meta,
      });
    }
    this.#bench.remember(derived);
    const entity: Entity = {
      kind: draft.kind,
      host_model: host.name,
      name,
      entity_ref: `${database}.${host.name}.${name}`,
    };
    const ran = draft.kind === 'measure' ? 'over all rows' : `on ${rows} rows, ${nonNull} with a value`;
    const notes = `${draft.kind} ${host.name}.${name}, executed ${ran}`;
    return { kb_id: row.id, status: 'encoded', entities: [entity], notes, error: null, clarifying_questions: [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bench[Symbol.dispose]();
  }
}

function readItem(row: KbRow, results: ReadonlyMap<number, SetupResult>, bench: Workbench): Outcome {
  const list = encodeValueList(row, results, bench);
  if (row.type === 'value_illustration' || list.kind === 'encoded') return list;
  return row.type === 'calculation_knowledge'
    ? encodeFormula(row, results, bench)
    : encodeCondition(row, results, bench);
}

function putOff(row: KbRow, { reason, questions }: { reason: string; questions: readonly string[] }): SetupResult {
  return {
    kb_id: row.id,
    status: 'deferred',
    entities: [],
    notes: reason,
    error: null,
    clarifying_questions: [...questions],
  };
}
