/** A small database with every declared type, every kind of key and join, and values that lie about their columns. */
import { DatabaseSync } from 'node:sqlite';

const TYPES = [
  'INT',
  'integer(64)',
  'BIGINT',
  'SMALLINT',
  'MEDIUMINT',
  'UNSIGNED BIG INT',
  'TEXT',
  'text(20)',
  'CHAR(3)',
  'VARCHAR(20)',
  'NVARCHAR(9)',
  'NCHAR(9)',
  'CHARACTER VARYING(9)',
  'CLOB',
  'BLOB',
  '',
  'REAL',
  'real(10,2)',
  'FLOAT',
  'FLOAT(8)',
  'DOUBLE',
  'DOUBLE PRECISION',
  'BOOL',
  'BOOLEAN',
  'DATE',
  'DATETIME',
  'TIMESTAMP',
  'TIME',
  'NUMERIC',
  'NUMERIC(10)',
  'NUMERIC(10,2)',
  'NUMERIC(10,0)',
  'DECIMAL',
  'DECIMAL(12, 4)',
  'DECIMAL (9,2)',
  'decimal(5,0)',
  'JSON',
  'jsonb',
  'MONEY',
  'STRING',
  'POINT',
];

/** Values that stand in a column declared INTEGER, and what it is then. */
export const PROBES: readonly (readonly [values: readonly unknown[], type: 'INT' | 'DOUBLE' | 'TEXT'])[] = [
  [[1, 2, null], 'INT'],
  [[null, null], 'INT'],
  [[1, 2.5], 'DOUBLE'],
  [[1e300], 'DOUBLE'],
  [['x'], 'TEXT'],
  [[''], 'TEXT'],
  [['1_000', 1], 'DOUBLE'],
  [[' 1_0 '], 'DOUBLE'],
  [['1__0'], 'TEXT'],
  [['0x10'], 'TEXT'],
  [['nan'], 'TEXT'],
  [['Infinity'], 'TEXT'],
  [['1_0e999'], 'TEXT'],
  [['1_0.'], 'DOUBLE'],
  [['._5'], 'TEXT'],
  [['\u00a01_1\u3000'], 'DOUBLE'],
  [['٣_٤'], 'DOUBLE'],
  [[new Uint8Array([1]), 1], 'TEXT'],
  [[2 ** 40], 'INT'],
];

const DDL = `
CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE, label TEXT, half TEXT);
CREATE UNIQUE INDEX parent_label ON parent (label);
CREATE UNIQUE INDEX parent_half ON parent (half) WHERE half IS NOT NULL;
CREATE UNIQUE INDEX parent_lower ON parent (lower(label));
CREATE TABLE pair (a INTEGER NOT NULL, b TEXT NOT NULL, c INTEGER, CONSTRAINT pair_pkey PRIMARY KEY (b, a));
CREATE TABLE child (
  child_key INTEGER PRIMARY KEY,
  first_id INTEGER REFERENCES parent (id),
  second_fk INTEGER REFERENCES parent (id),
  pa INTEGER, pb TEXT, code TEXT, implied INTEGER, self_ref INTEGER, nowhere INTEGER, half TEXT,
  FOREIGN KEY (pa, pb) REFERENCES pair (a, b),
  CONSTRAINT "by code" FOREIGN KEY ("code") REFERENCES "parent" ("code") ON DELETE CASCADE,
  FOREIGN KEY (half) REFERENCES parent (half),
  FOREIGN KEY (self_ref) REFERENCES child (child_key),
  FOREIGN KEY (nowhere) REFERENCES absent (x)
);
CREATE TABLE implied_fk (k INTEGER PRIMARY KEY REFERENCES parent, v INTEGER, FOREIGN KEY (v) REFERENCES pair);
CREATE TABLE ping (id INTEGER PRIMARY KEY, pong_id INTEGER, FOREIGN KEY (id) REFERENCES pong (id));
CREATE TABLE pong (id INTEGER PRIMARY KEY, x INTEGER, FOREIGN KEY (id) REFERENCES ping (id));
CREATE TABLE "Mixed Case" ("yes" TEXT, "on" INTEGER, "12" INTEGER, "=" TEXT, "y" TEXT, "null" TEXT, "with blank" TEXT,
  "dash-ed" TEXT, "order" INTEGER, _count INTEGER, "do.t" INTEGER, "quo""te" TEXT, "größe" REAL, "1e3" TEXT, "it's" TEXT);
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
CREATE TABLE _dlt_loads (load_id TEXT, status INTEGER);
CREATE TABLE gen (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) VIRTUAL, c REAL GENERATED ALWAYS AS (a / 2.0) STORED);
CREATE TABLE no_rowid (k TEXT PRIMARY KEY, v INTEGER UNIQUE) WITHOUT ROWID;
CREATE VIEW some_view AS SELECT id, code, 1.5 AS factor FROM parent;
INSERT INTO parent VALUES (1, 'a', 'A', NULL), (2, 'b', 'B', 'h');
INSERT INTO gen (a) VALUES (1), (3);
`;

/** Makes the database at `path`. */
export function makeOddDatabase(path: string): void {
  using database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  database.exec('PRAGMA synchronous = OFF; BEGIN');
  database.exec(DDL);
  database.exec(`CREATE TABLE types (${TYPES.map((type, index) => `c${index} ${type}`).join(', ')})`);
  database.exec(`CREATE TABLE probes (${PROBES.map((_, index) => `p${index} INTEGER`).join(', ')})`);
  const rows = Math.max(...PROBES.map(([values]) => values.length));
  for (let row = 0; row < rows; row += 1) {
    const values = PROBES.map(([list]) => (list[row] ?? null) as never);
    database.prepare(`INSERT INTO probes VALUES (${PROBES.map(() => '?').join(', ')})`).run(...values);
  }
  database.exec('CREATE TABLE many_texts (v INTEGER)');
  const insert = database.prepare('INSERT INTO many_texts VALUES (?)');
  for (let index = 0; index <= 1_000; index += 1) insert.run(`${index}_0`);
  database.exec('COMMIT');
}
