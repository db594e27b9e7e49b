/** A glassworks: furnaces, recipes in revisions, batches, defects and orders. */
import { calculation, domain, values } from './example.ts';
import type { Example, Value } from './example.ts';

export const glassworks: Example = {
  name: 'glassworks',
  seed: 303,
  journal: 'delete',
  ddl: [
    `CREATE TABLE "furnaces" (
  "furncode" text NOT NULL,
  "hall" text NOT NULL,
  "liningdays" integer(64) NOT NULL,
  "telemetry" text,
  CONSTRAINT "furnaces_pkey" PRIMARY KEY ("furncode")
)`,
    `CREATE TABLE "recipes" (
  "recipecode" text NOT NULL,
  "revision" integer(64) NOT NULL,
  "colour" text,
  "composition" text NOT NULL,
  CONSTRAINT "recipes_pkey" PRIMARY KEY ("recipecode", "revision")
)`,
    `CREATE TABLE "batches" (
  "batchid" integer(64) NOT NULL,
  "furnlink" text NOT NULL,
  "reccode" text NOT NULL,
  "recrev" integer(64) NOT NULL,
  "meltday" text NOT NULL,
  "inputkg" real(8,1) NOT NULL,
  "castkg" real(8,1),
  "energykwh" integer(64) NOT NULL,
  "qcstatus" text,
  CONSTRAINT "batches_pkey" PRIMARY KEY ("batchid"),
  CONSTRAINT "batches_furnace_fkey" FOREIGN KEY ("furnlink") REFERENCES "furnaces" ("furncode"),
  CONSTRAINT "batches_recipe_fkey" FOREIGN KEY ("reccode", "recrev") REFERENCES "recipes" ("recipecode", "revision")
)`,
    `CREATE TABLE "defects" (
  "batchlink" integer(64) NOT NULL,
  "defectcode" text NOT NULL,
  "defectcount" integer(64) NOT NULL,
  "depthmm" integer(64),
  CONSTRAINT "defects_pkey" PRIMARY KEY ("batchlink", "defectcode"),
  CONSTRAINT "defects_batch_fkey" FOREIGN KEY ("batchlink") REFERENCES "batches" ("batchid")
)`,
    `CREATE TABLE "orders" (
  "ordernum" integer(64) NOT NULL,
  "batchlink" integer(64) NOT NULL,
  "customer" text NOT NULL,
  "pieces" integer(64) NOT NULL,
  "rejects" integer(64) NOT NULL,
  "piecepriceeur" real(6,2) NOT NULL,
  CONSTRAINT "orders_pkey" PRIMARY KEY ("ordernum"),
  CONSTRAINT "orders_batch_fkey" FOREIGN KEY ("batchlink") REFERENCES "batches" ("batchid")
)`,
  ],
  rows(random) {
    const furnaces: Value[][] = ['F1', 'F2', 'F3', 'F4', 'F5'].map((code) => [
      code,
      random.pick(['East Hall', 'West Hall']),
      random.int(40, 900),
      JSON.stringify({
        crown: { Temp_C: random.int(1480, 1590), Drift_C: random.decimal(-6, 6, 1) },
        burner: { Count: random.int(4, 10), Fuel_Mix: random.pick(['gas', 'gas/oxygen', 'electric']) },
        Setpoint_C: 1540,
        alarm_codes: random.pick([[], ['A7'], ['A7', 'C2']]),
      }),
    ]);
    const recipes: Value[][] = [];
    for (const [code, colour] of [
      ['SODA', 'clear'],
      ['BORO', null],
      ['COBALT', 'blue'],
      ['AMBER', 'amber'],
    ] as const) {
      for (let revision = 1; revision <= 3; revision += 1) {
        const composition = {
          silica_pct: random.decimal(66, 78, 1),
          soda_pct: random.decimal(8, 16, 1),
          lime_pct: random.decimal(4, 12, 1),
          Cullet_Share: random.decimal(0.1, 0.6, 2),
          additives: random.pick([['MnO2'], ['CoO', 'MnO2'], []]),
        };
        recipes.push([code, revision, colour, JSON.stringify(composition)]);
      }
    }
    const batches: Value[][] = [];
    const defects: Value[][] = [];
    const orders: Value[][] = [];
    for (let id = 1; id <= 160; id += 1) {
      const [code, revision] = random.pick(recipes);
      const input = random.decimal(400, 2400, 1);
      batches.push([
        id,
        random.pick(furnaces)[0]!,
        code!,
        revision!,
        random.day(),
        input,
        random.chance(0.94) ? Math.round(input * random.decimal(0.72, 0.97, 2) * 10) / 10 : null,
        random.int(900, 5200),
        random.chance(0.95) ? random.pick(['PASS', 'REWORK', 'SCRAP']) : null,
      ]);
      for (const defect of ['seed', 'stone', 'cord']) {
        // The column is declared whole and holds fractions: SQLite keeps what it is given.
        if (random.chance(0.6))
          defects.push([id, defect, random.int(1, 40), random.chance(0.8) ? random.decimal(0, 4, 1) : null]);
      }
      const pieces = random.int(50, 900);
      orders.push([
        5_000 + id,
        id,
        random.pick(['Altglas', 'Bellweather', 'Corvina', 'Delft & Co']),
        pieces,
        random.int(0, Math.floor(pieces / 6)),
        random.decimal(0.8, 14, 2),
      ]);
    }
    return { furnaces, recipes, batches, defects, orders };
  },
  meanings: {
    'glassworks|furnaces|furncode': 'Primary key of a furnace. Ex. F1',
    'glassworks|furnaces|hall': 'Hall in which the furnace stands. Ex. East Hall',
    'glassworks|furnaces|liningdays': 'Days since the lining was renewed.',
    'glassworks|furnaces|telemetry': {
      column_meaning: 'JSONB column. Latest values of the furnace control.',
      fields_meaning: {
        crown: {
          Temp_C: 'Temperature of the crown in degrees Celsius.',
          Drift_C: 'Change of that temperature in the last hour.',
        },
        burner: { Count: 'Burners in use.', Fuel_Mix: 'What the burners are fed with. Ex. gas, gas/oxygen, electric' },
        Setpoint_C: 'Temperature that the control aims at.',
        alarm_codes: 'Alarms that are on, as a list.',
      },
    },
    'glassworks|recipes|recipecode': 'Code of the recipe. Part of the composite key with revision. Ex. SODA, BORO',
    'glassworks|recipes|revision': 'Revision of the recipe, from 1 on. Part of the composite key with recipecode.',
    'glassworks|recipes|colour': 'Colour of the glass. Contains NULL for technical glass.',
    'glassworks|recipes|composition': {
      column_meaning: 'JSONB column. What the glass is made of.',
      fields_meaning: {
        silica_pct: 'Share of silica in per cent of the weight.',
        soda_pct: 'Share of soda in per cent of the weight.',
        lime_pct: 'Share of lime in per cent of the weight.',
        Cullet_Share: 'Share of recycled glass, from 0 to 1.',
        additives: 'Oxides added for colour, as a list.',
      },
    },
    'glassworks|batches|batchid': 'Primary key of a batch.',
    'glassworks|batches|furnlink': 'The furnace in which it was melted.',
    'glassworks|batches|reccode': 'Recipe; with recrev a reference to recipes.',
    'glassworks|batches|recrev': 'Revision of the recipe; with reccode a reference to recipes.',
    'glassworks|batches|meltday': 'Day of the melt, YYYY-MM-DD.',
    'glassworks|batches|inputkg': 'Raw material put in, in kilograms.',
    'glassworks|batches|castkg': 'Glass cast, in kilograms. Contains NULL when the melt was lost.',
    'glassworks|batches|energykwh': 'Energy used, in kilowatt hours.',
    'glassworks|batches|qcstatus': 'Result of the quality check. Ex. PASS, REWORK, SCRAP',
    'glassworks|defects|batchlink': 'The batch. Part of the composite key with defectcode.',
    'glassworks|defects|defectcode': 'Kind of defect. Ex. seed, stone, cord',
    'glassworks|defects|defectcount': 'How often the defect was found in the sample.',
    'glassworks|defects|depthmm': 'Depth of the worst one in millimetres. Contains NULL when not measured.',
    'glassworks|orders|ordernum': 'Primary key of an order.',
    'glassworks|orders|batchlink': 'The batch from which the order was made.',
    'glassworks|orders|customer': 'Who ordered.',
    'glassworks|orders|pieces': 'Pieces made.',
    'glassworks|orders|rejects': 'Pieces that the customer sent back.',
    'glassworks|orders|piecepriceeur': 'Price of one piece in euro.',
  },
  kb: [
    calculation(
      'Melt Yield (MY)',
      'Which share of the raw material becomes glass.',
      String.raw`$\text{MY} = \frac{\text{castkg}}{\text{inputkg}}$`,
    ),
    calculation(
      'Specific Energy (SE)',
      'Energy for a kilogram of glass.',
      String.raw`$\text{SE} = \frac{\text{energykwh}}{\text{castkg}}$, where lower is better.`,
    ),
    calculation(
      'Melt Efficiency Score (MES)',
      'Yield against energy.',
      String.raw`$\text{MES} = \frac{\text{MY} \times 10}{\text{SE}}$`,
      [0, 1],
    ),
    calculation(
      'Modifier Ratio (MR)',
      'Soda and lime against silica.',
      String.raw`MR = \frac{soda\_pct + lime\_pct}{silica\_pct}`,
    ),
    calculation(
      'Setpoint Deviation (SD)',
      'How far the crown is from its setpoint.',
      String.raw`SD = |Temp\_C - Setpoint\_C|`,
    ),
    calculation(
      'Furnace Wear Level (FWL)',
      'Rates the wear of the lining.',
      String.raw`FWL = \begin{cases} 3 & \text{if liningdays > 700} \\ 2 & \text{if liningdays > 350} \\ 1 & \text{otherwise} \end{cases}`,
    ),
    values(
      'Quality Status',
      'Shows the results of the quality check.',
      "Values are 'PASS', 'REWORK' and 'SCRAP'. Null means that the check is not done.",
    ),
    values(
      'Kind of Defect',
      'Shows the defects that are counted.',
      "'seed' is a small bubble, 'stone' an unmelted grain, 'cord' a streak.",
    ),
    calculation(
      'Reject Rate (RR)',
      'Which share of the pieces comes back.',
      String.raw`RR = \frac{rejects}{pieces} \times 100`,
    ),
    calculation(
      'Net Order Value (NOV)',
      'What an order brings after what comes back.',
      String.raw`NOV = (pieces - rejects) \times piecepriceeur`,
    ),
    domain(
      'Troubled Batch',
      'A batch that the shift leader must look at.',
      "A batch with qcstatus 'SCRAP', or whose MY is below 0.75.",
      [0, 6],
    ),
    domain('Worn Furnace', 'A furnace to be relined this year.', 'A furnace whose FWL is 3.', [5]),
    calculation(
      'Defect Density (DD)',
      'Defects for a tonne of glass.',
      String.raw`DD = \frac{defectcount}{castkg} \times 1000`,
    ),
    calculation(
      'Recycled Input (RI)',
      'Kilograms of recycled glass in a batch.',
      String.raw`RI = inputkg \times Cullet\_Share`,
    ),
    calculation(
      'Carbon Intensity (CI)',
      'Emissions for a kilogram of glass.',
      String.raw`CI = SE \times GridFactor, \text{ where GridFactor is published by the grid operator each year.}`,
      [1],
    ),
    calculation('Average Melt Yield (AMY)', 'Yield over many batches.', String.raw`AMY = \text{AVG}(MY)`, [0]),
    domain(
      'Sustainable Melt',
      'A melt to be shown in the yearly report.',
      'A batch with SE below 2 and Cullet_Share of at least 0.4.',
      [1],
    ),
    calculation(
      'Energy Outlier Score (EOS)',
      'Compares a batch with a typical one.',
      String.raw`EOS = \frac{SE - 2.2}{0.8}`,
      [1],
    ),
  ],
  tasks: [
    {
      ask: 'For each furnace, what share of the raw material becomes glass on average?',
      sql: `SELECT furnlink, AVG(castkg / inputkg) AS melt_yield FROM batches WHERE castkg IS NOT NULL GROUP BY furnlink`,
      knowledge: [0],
    },
    {
      ask: 'Rank the recipes by the energy a kilogram needs, thriftiest first.',
      sql: `SELECT reccode, recrev, AVG(energykwh / castkg) AS se FROM batches WHERE castkg IS NOT NULL GROUP BY reccode, recrev ORDER BY se, reccode, recrev`,
      knowledge: [1],
      isOrdered: true,
      vague: ['thriftiest', 'AVG(energykwh / castkg)'],
    },
    {
      ask: 'Which customers send back most? Show the average rate, worst first.',
      sql: `SELECT customer, AVG(rejects * 100.0 / pieces) AS rr FROM orders GROUP BY customer ORDER BY rr DESC, customer`,
      knowledge: [8],
      isOrdered: true,
    },
    {
      ask: 'Which batches must the shift leader look at?',
      sql: `SELECT batchid, furnlink, qcstatus FROM batches WHERE qcstatus = 'SCRAP' OR castkg / inputkg < 0.75`,
      knowledge: [0, 6, 10],
      masked: [10],
      vague: ['must look at', "qcstatus = 'SCRAP' OR castkg / inputkg < 0.75"],
    },
    {
      ask: 'Count the furnaces at each level of wear.',
      sql: `SELECT CASE WHEN liningdays > 700 THEN 3 WHEN liningdays > 350 THEN 2 ELSE 1 END AS wear, COUNT(*) AS furnaces FROM furnaces GROUP BY wear`,
      knowledge: [5],
    },
    {
      ask: 'How much recycled glass went into each colour of glass?',
      sql: `SELECT r.colour, SUM(b.inputkg * JSON_EXTRACT(r.composition, '$.Cullet_Share')) AS recycled_kg FROM batches b JOIN recipes r ON r.recipecode = b.reccode AND r.revision = b.recrev WHERE r.colour IS NOT NULL GROUP BY r.colour`,
      knowledge: [13],
      masked: [13],
    },
    {
      ask: 'Show the five orders that bring most after what comes back.',
      sql: `SELECT ordernum, customer, (pieces - rejects) * piecepriceeur AS nov FROM orders ORDER BY nov DESC, ordernum LIMIT 5`,
      knowledge: [9],
      isOrdered: true,
      vague: ['bring most', 'nov DESC'],
    },
  ],
};
