/** A ferry company: ports, routes between two ports, vessels, sailings and the fares sold. Its file is left in WAL mode. */
import { calculation, domain, values } from './example.ts';
import type { Example, Value } from './example.ts';

const PORTS = [
  ['AMB', 'Amberhaven', 3],
  ['BRK', 'Brackwater', 2],
  ['CLD', 'Cold Point', 1],
  ['DUN', 'Dunmouth', 4],
  ['ELV', 'Elver Sound', 2],
  ['FEN', 'Fenwick', 1],
] as const;

export const ferries: Example = {
  name: 'ferries',
  seed: 202,
  journal: 'wal',
  ddl: [
    `CREATE TABLE "ports" (
  "portcode" text NOT NULL,
  "portname" text NOT NULL,
  "berthcount" integer(64) NOT NULL,
  CONSTRAINT "ports_pkey" PRIMARY KEY ("portcode")
)`,
    `CREATE TABLE "routes" (
  "fromport" text NOT NULL,
  "toport" text NOT NULL,
  "distancenm" real(6,1) NOT NULL,
  "exposure" text,
  CONSTRAINT "routes_pkey" PRIMARY KEY ("fromport", "toport"),
  CONSTRAINT "routes_from_fkey" FOREIGN KEY ("fromport") REFERENCES "ports" ("portcode"),
  CONSTRAINT "routes_to_fkey" FOREIGN KEY ("toport") REFERENCES "ports" ("portcode")
)`,
    `CREATE TABLE "vessels" (
  "vesselid" integer(64) NOT NULL,
  "vesselname" text NOT NULL,
  "builtyear" integer(64),
  "specs" text,
  CONSTRAINT "vessels_pkey" PRIMARY KEY ("vesselid")
)`,
    `CREATE TABLE "certificates" (
  "vesselref" integer(64) NOT NULL,
  "certbody" text NOT NULL,
  "hullrating" real(4,2),
  "validuntil" text,
  CONSTRAINT "certificates_pkey" PRIMARY KEY ("vesselref"),
  CONSTRAINT "certificates_vessel_fkey" FOREIGN KEY ("vesselref") REFERENCES "vessels" ("vesselid")
)`,
    `CREATE TABLE "sailings" (
  "sailkey" integer(64) NOT NULL,
  "vesselref" integer(64) NOT NULL,
  "fromport" text NOT NULL,
  "toport" text NOT NULL,
  "sailday" text NOT NULL,
  "paxboarded" integer(64) NOT NULL,
  "carsboarded" integer(64) NOT NULL,
  "delaymin" integer(64),
  "fuellitres" real(8,1) NOT NULL,
  "seastate" text,
  CONSTRAINT "sailings_pkey" PRIMARY KEY ("sailkey"),
  CONSTRAINT "sailings_vessel_fkey" FOREIGN KEY ("vesselref") REFERENCES "vessels" ("vesselid"),
  CONSTRAINT "sailings_route_fkey" FOREIGN KEY ("fromport", "toport") REFERENCES "routes" ("fromport", "toport")
)`,
    `CREATE TABLE "fares" (
  "sailref" integer(64) NOT NULL,
  "fareclass" text NOT NULL,
  "ticketcount" integer(64) NOT NULL,
  "unitprice" real(6,2) NOT NULL,
  CONSTRAINT "fares_pkey" PRIMARY KEY ("sailref", "fareclass"),
  CONSTRAINT "fares_sailing_fkey" FOREIGN KEY ("sailref") REFERENCES "sailings" ("sailkey")
)`,
  ],
  rows(random) {
    const ports = PORTS.map((port) => [...port]);
    const routes: Value[][] = [];
    for (const [from] of PORTS) {
      for (const [to] of PORTS) {
        if (from !== to && random.chance(0.55)) {
          routes.push([
            from,
            to,
            random.decimal(4, 62, 1),
            random.chance(0.9) ? random.pick(['sheltered', 'coastal', 'open sea']) : null,
          ]);
        }
      }
    }
    const names = ['Aurora', 'Bluefin', 'Cormorant', 'Dovekie', 'Eider', 'Fulmar', 'Gannet', 'Heron'];
    const capacities = names.map(() => ({ Pax: random.int(12, 60) * 10, Cars: random.int(20, 140) }));
    const vessels = names.map((name, index) => [
      index + 1,
      name,
      random.chance(0.9) ? random.int(1968, 2022) : null,
      JSON.stringify({
        capacity: capacities[index],
        engine: { Power_Kw: random.int(20, 95) * 100, Fuel_Type: random.pick(['diesel', 'LNG', 'hybrid']) },
        Service_Speed_Kn: random.decimal(14, 24, 1),
        deck_codes: random.pick([['A'], ['A', 'B'], ['A', 'B', 'C']]),
        Has_Bow_Thruster: random.chance(0.6),
      }),
    ]);
    const certificates = vessels
      .slice(0, 7)
      .map(([id]) => [
        id!,
        random.pick(['Baltic Class', 'Norse Register']),
        random.decimal(1.5, 4.8, 2),
        random.day().replace('2024', '2026'),
      ]);
    const sailings: Value[][] = [];
    const fares: Value[][] = [];
    for (let key = 1; key <= 260; key += 1) {
      const [from, to, distance] = random.pick(routes);
      const vessel = random.int(0, vessels.length - 1);
      const { Pax, Cars } = capacities[vessel]!;
      const pax = Math.floor(Pax * random.decimal(0.1, 1, 2));
      sailings.push([
        key,
        vessel + 1,
        from!,
        to!,
        random.day(),
        pax,
        random.int(0, Cars),
        random.chance(0.93) ? random.int(0, 75) : null,
        Math.round(Number(distance) * random.decimal(18, 46, 1) * 10) / 10,
        random.chance(0.95) ? random.pick(['calm', 'moderate', 'rough', 'Rough']) : null,
      ]);
      const lounge = random.int(0, Math.floor(pax / 5));
      fares.push([key, 'deck', pax - lounge, random.decimal(9, 21, 2)]);
      if (lounge > 0) fares.push([key, 'lounge', lounge, random.decimal(24, 48, 2)]);
    }
    return { ports, routes, vessels, certificates, sailings, fares };
  },
  meanings: {
    'ferries|ports|portcode': 'Primary key: three letters for the port. Ex. AMB, DUN',
    'ferries|ports|portname': 'Full name of the port.',
    'ferries|ports|berthcount': 'Number of berths that take a ferry.',
    'ferries|routes|fromport': 'Port of departure. Part of the composite key with toport.',
    'ferries|routes|toport': 'Port of arrival. Part of the composite key with fromport.',
    'ferries|routes|distancenm': 'Length of the route in nautical miles.',
    'ferries|routes|exposure':
      'How exposed the route is. Ex. sheltered, coastal, open sea. Contains NULL when not assessed.',
    'ferries|vessels|vesselid': 'Primary key of a vessel.',
    'ferries|vessels|vesselname': 'Name of the vessel.',
    'ferries|vessels|builtyear': 'Year in which the vessel was built. Contains NULL when the papers are lost.',
    'ferries|vessels|specs': {
      column_meaning: 'JSONB column. Technical data of the vessel.',
      fields_meaning: {
        capacity: { Pax: 'Passengers that the vessel may carry.', Cars: 'Cars that fit on its decks.' },
        engine: {
          Power_Kw: 'Power of the main engines in kilowatts.',
          Fuel_Type: 'What the engines burn. Ex. diesel, LNG, hybrid',
        },
        Service_Speed_Kn: 'Speed in service, in knots.',
        deck_codes: 'Codes of the car decks, as a list.',
        Has_Bow_Thruster: 'Whether the vessel has a bow thruster.',
      },
    },
    'ferries|certificates|vesselref': 'The vessel that is certified; each has at most one certificate.',
    'ferries|certificates|certbody': 'Who certified the vessel. Ex. Baltic Class, Norse Register',
    'ferries|certificates|hullrating': 'Condition of the hull, from 0 (scrap) to 5 (as new).',
    'ferries|certificates|validuntil': 'Last day of validity, YYYY-MM-DD.',
    'ferries|sailings|sailkey': 'Primary key of a sailing.',
    'ferries|sailings|vesselref': 'The vessel that sailed.',
    'ferries|sailings|fromport': 'Port of departure; with toport a reference to routes.',
    'ferries|sailings|toport': 'Port of arrival; with fromport a reference to routes.',
    'ferries|sailings|sailday': 'Day of the sailing, YYYY-MM-DD.',
    'ferries|sailings|paxboarded': 'Passengers on board.',
    'ferries|sailings|carsboarded': 'Cars on board.',
    'ferries|sailings|delaymin': 'Delay at arrival in minutes. Contains NULL when it was not logged.',
    'ferries|sailings|fuellitres': 'Fuel burnt on the sailing, in litres.',
    'ferries|sailings|seastate': 'State of the sea as the mate wrote it down. Ex. calm, moderate, rough, Rough',
    'ferries|fares|sailref': 'The sailing. Part of the composite key with fareclass.',
    'ferries|fares|fareclass': 'Class of the ticket. Ex. deck, lounge',
    'ferries|fares|ticketcount': 'Tickets sold of this class.',
    'ferries|fares|unitprice': 'Price of one ticket in euro.',
    'ferries|ports|harbourmaster': 'Name of the harbour master; kept in another system since 2023.',
  },
  kb: [
    calculation(
      'Passenger Load Factor (PLF)',
      'How full a sailing is.',
      String.raw`PLF = \frac{paxboarded}{Pax}, \text{ where Pax is the passenger capacity in the specs of the vessel.}`,
    ),
    calculation(
      'Car Deck Load (CDL)',
      'How full the car decks are.',
      String.raw`CDL = \frac{\text{carsboarded}}{\text{Cars}}`,
    ),
    calculation(
      'Combined Load Index (CLI)',
      'One figure for passengers and cars.',
      String.raw`CLI = 0.6 \times PLF + 0.4 \times CDL`,
      [0, 1],
    ),
    calculation(
      'Fuel per Mile (FPM)',
      'Litres burnt for a nautical mile.',
      String.raw`FPM = \frac{fuellitres}{distancenm}`,
    ),
    calculation(
      'Fuel per Passenger Mile (FPPM)',
      'Litres burnt to carry one passenger one mile.',
      String.raw`FPPM = \frac{FPM}{paxboarded}`,
      [3],
    ),
    values(
      'Sea State',
      'Shows how the state of the sea is written down.',
      "Values are 'calm', 'moderate' and 'rough'; some mates write 'Rough'. Null means not logged.",
    ),
    values('Exposure of a Route', 'Shows how exposed routes are.', "Values are 'sheltered', 'coastal' and 'open sea'."),
    calculation(
      'Delay Class (DC)',
      'Sorts sailings by their delay.',
      String.raw`DC = \begin{cases} 0 & \text{if delaymin <= 5} \\ 1 & \text{if delaymin <= 30} \\ 2 & \text{otherwise} \end{cases}`,
    ),
    domain('Punctual Sailing', 'What the company promises.', 'A sailing with a delaymin of at most 5.'),
    domain('Crowded Sailing', 'A sailing on which seats are short.', 'A sailing whose PLF is above 0.85.', [0]),
    calculation(
      'Fare Revenue (FR)',
      'What the tickets of one class brought in.',
      String.raw`FR = ticketcount \times unitprice`,
    ),
    calculation('Total Fare Revenue (TFR)', 'What all tickets brought in.', String.raw`TFR = \sum FR`, [10]),
    calculation(
      'Power per Berth (PPB)',
      'Engine power against the seats it moves.',
      String.raw`PPB = \frac{\text{Power\_Kw}}{\text{Pax} + 4 \times \text{Cars}}`,
    ),
    calculation(
      'Crossing Time (CT)',
      'Hours that a route takes at service speed.',
      String.raw`CT = \frac{distancenm}{Service\_Speed\_Kn}`,
    ),
    calculation(
      'Hull Age Penalty (HAP)',
      'Grows with age and falls with a good hull.',
      String.raw`HAP = \frac{2024 - builtyear}{10} - hullrating`,
    ),
    domain('Vessel Due for Refit', 'A vessel that goes to the yard next.', 'A vessel whose HAP is above 0.5.', [14]),
    calculation(
      'Weather Margin (WM)',
      'What is left of the limits at the forecast wind.',
      String.raw`WM = hullrating - \frac{ForecastWind}{10}`,
    ),
    domain(
      'Green Vessel',
      'A vessel that may enter the inner fjord.',
      "A vessel whose Fuel_Type is 'LNG' or 'hybrid'.",
    ),
    calculation(
      'Punctuality Rate (PR)',
      'Which share of the sailings keeps the promise.',
      String.raw`PR = \frac{\text{number of punctual sailings}}{\text{number of sailings}}`,
      [8],
    ),
    calculation('Square Root Load (SRL)', 'Softens the load of very full sailings.', String.raw`SRL = \sqrt{PLF}`, [0]),
  ],
  tasks: [
    {
      ask: 'Which vessels sail fullest? Give name and average load, fullest first.',
      sql: `SELECT v.vesselname, AVG(s.paxboarded * 1.0 / JSON_EXTRACT(v.specs, '$.capacity.Pax')) AS plf FROM sailings s JOIN vessels v ON v.vesselid = s.vesselref GROUP BY v.vesselid ORDER BY plf DESC, v.vesselname`,
      knowledge: [0],
      isOrdered: true,
      vague: ['fullest', 'plf DESC'],
    },
    {
      ask: 'How much did each fare class bring in?',
      sql: `SELECT fareclass, SUM(ticketcount * unitprice) AS revenue FROM fares GROUP BY fareclass`,
      knowledge: [10],
      masked: [10],
      vague: ['bring in', 'SUM(ticketcount * unitprice)'],
    },
    {
      ask: 'For each route, give both port names and the fuel burnt per mile on average.',
      sql: `SELECT a.portname AS origin, b.portname AS destination, AVG(s.fuellitres / r.distancenm) AS fpm FROM sailings s JOIN routes r ON r.fromport = s.fromport AND r.toport = s.toport JOIN ports a ON a.portcode = r.fromport JOIN ports b ON b.portcode = r.toport GROUP BY r.fromport, r.toport`,
      knowledge: [3],
    },
    {
      ask: 'What share of sailings keeps the promise, by state of the sea?',
      sql: `SELECT LOWER(seastate) AS sea, SUM(CASE WHEN delaymin <= 5 THEN 1 ELSE 0 END) * 1.0 / COUNT(*) AS punctual FROM sailings WHERE seastate IS NOT NULL AND delaymin IS NOT NULL GROUP BY sea`,
      knowledge: [5, 8, 18],
      masked: [8, 18],
      vague: ['keeps the promise', 'delaymin <= 5'],
    },
    {
      ask: 'List the vessels that go to the yard next, the most urgent first.',
      sql: `SELECT v.vesselname, (2024 - v.builtyear) / 10.0 - c.hullrating AS hap FROM vessels v JOIN certificates c ON c.vesselref = v.vesselid WHERE (2024 - v.builtyear) / 10.0 - c.hullrating > 0.5 ORDER BY hap DESC, v.vesselname LIMIT 5`,
      knowledge: [14, 15],
      isOrdered: true,
      vague: ['most urgent', 'hap DESC'],
    },
    {
      ask: 'How many sailings were crowded, per month?',
      sql: `SELECT SUBSTR(s.sailday, 1, 7) AS month, COUNT(*) AS crowded FROM sailings s JOIN vessels v ON v.vesselid = s.vesselref WHERE s.paxboarded * 1.0 / JSON_EXTRACT(v.specs, '$.capacity.Pax') > 0.85 GROUP BY month`,
      knowledge: [0, 9],
    },
    {
      ask: 'Which vessels may enter the inner fjord, and how many car decks does each have?',
      sql: `SELECT vesselname, JSON_ARRAY_LENGTH(specs, '$.deck_codes') AS decks FROM vessels WHERE JSON_EXTRACT(specs, '$.engine.Fuel_Type') IN ('LNG', 'hybrid')`,
      knowledge: [17],
    },
  ],
};
