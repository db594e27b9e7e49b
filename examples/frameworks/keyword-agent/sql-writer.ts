/** A plan as SQLite's SQL: columns of the semantic layer are written out down to those of tables, with the joins they need. */
import type { Catalogue, Way } from './catalogue.ts';
import type { Plan, Target } from './plan.ts';

export function sqlOf(plan: Plan, catalogue: Catalogue): string {
  const from = new From(plan.table, catalogue);
  const target = plan.target ? from.expression(plan.target) : '1';
  const groups = plan.groups.map((group) => from.expression(group));
  const hidden = plan.hiddenGroups.map((group) => from.expression(group));
  const months = plan.month ? [`SUBSTR(${from.expression({ known: plan.month, way: [] })}, 1, 7)`] : [];
  const lengths = plan.lengths.map((list) => `JSON_ARRAY_LENGTH(${from.expression(list)})`);
  const figure = {
    average: `AVG(${target})`,
    sum: `SUM(${target})`,
    count: 'COUNT(*)',
    share: `AVG(CASE WHEN ${target} THEN 1.0 ELSE 0 END)`,
    rows: plan.isFilter ? undefined : target,
  }[plan.figure];
  const shown = [...groups, ...months, ...lengths, ...(figure === undefined ? [] : [figure])];
  const conditions = plan.isFilter ? [target] : plan.figure === 'count' ? [`${target} IS NOT NULL`] : [];
  const grouped = plan.figure === 'rows' ? [] : [...new Set([...groups, ...months, ...hidden])];
  const direction = plan.order === 'ascending' ? 'ASC' : 'DESC';
  const order = plan.order ? [`${figure ?? target} ${direction}`, ...groups] : [];
  return [
    `SELECT ${shown.join(', ')}`,
    from.text,
    conditions.length > 0 && `WHERE ${conditions.join(' AND ')}`,
    grouped.length > 0 && `GROUP BY ${grouped.join(', ')}`,
    order.length > 0 && `ORDER BY ${order.join(', ')}`,
    plan.limit !== undefined && `LIMIT ${plan.limit}`,
  ]
    .filter((line) => line !== false)
    .join('\n');
}

/** The table that is asked and those that were joined to it so far. */
class From {
  readonly #root: string;
  readonly #catalogue: Catalogue;
  readonly #joins = new Map<string, { readonly alias: string; readonly text: string }>();

  constructor(root: string, catalogue: Catalogue) {
    this.#root = root;
    this.#catalogue = catalogue;
  }

  get text(): string {
    return [`FROM ${this.#tableOf(this.#root)} AS t0`, ...[...this.#joins.values()].map(({ text }) => text)].join('\n');
  }

  expression({ known, way }: Target): string {
    return this.#written(known.table, known.column.name, way, 0);
  }

  /** The column `name` of `table`, which lies at the end of `way`, down to columns of tables. */
  #written(table: string, name: string, way: Way, depth: number): string {
    const column = this.#catalogue.table(table).columns.find((each) => each.name === name);
    if (!column || depth > 20) throw new Error(`${table}.${name} cannot be written out`);
    const alias = this.#aliasOf(way);
    if (column.sql === name) return `${alias}.${name}`;
    // Quoted text, or a name, perhaps of a joined table's column, that is no function.
    const pieces = /'(?:[^']|'')*'|"[^"]*"|\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\b(?!\s*\()/g;
    const text = column.sql.replaceAll(pieces, (piece) => this.#piece(piece, table, way, depth));
    return `(${text})`;
  }

  #piece(piece: string, table: string, way: Way, depth: number): string {
    if (/^['"]/.test(piece)) return piece;
    const path = piece.split('.');
    const name = path.pop() as string;
    let [at, along] = [table, way];
    for (const step of path) {
      const join = this.#catalogue
        .table(at)
        .joins.find(({ name: joined, target_model: model }) => (joined ?? model) === step);
      if (!join) return piece;
      [at, along] = [join.target_model, [...along, join]];
    }
    const isColumn = this.#catalogue.table(at).columns.some((column) => column.name === name);
    return isColumn ? this.#written(at, name, along, depth + 1) : piece;
  }

  #aliasOf(way: Way): string {
    const join = way.at(-1);
    if (!join) return 't0';
    const key = way.map(({ name, target_model: model }) => name ?? model).join('.');
    const known = this.#joins.get(key);
    if (known) return known.alias;
    const before = this.#aliasOf(way.slice(0, -1));
    const alias = `t${this.#joins.size + 1}`;
    const pairs = join.join_pairs.map(([source, target]) => `${before}.${source} = ${alias}.${target}`);
    const text = `JOIN ${this.#tableOf(join.target_model)} AS ${alias} ON ${pairs.join(' AND ')}`;
    this.#joins.set(key, { alias, text });
    return alias;
  }

  #tableOf(model: string): string {
    return this.#catalogue.table(model).sql_table ?? model;
  }
}
