/** Apiaries on an archipelago: hives, inspections with sensor readings, and harvests. */
import { calculation, domain, values } from './example.ts';
import type { Example, Value } from './example.ts';

const STYLES = ['Langstroth', 'Dadant', 'Top Bar'];
const TEMPERS = ['calm', 'lively', 'defensive'];

export const beehives: Example = {
  name: 'beehives',
  seed: 101,
  journal: 'delete',
  ddl: [
    `CREATE TABLE "sites" (
  "regioncode" text NOT NULL,
  "plotnum" integer(64) NOT NULL,
  "forage" text NOT NULL,
  "elevation_m" real(8,1),
  CONSTRAINT "sites_pkey" PRIMARY KEY ("regioncode", "plotnum")
)`,
    `CREATE TABLE "keepers" (
  "keeperid" integer(64) NOT NULL,
  "fullname" text NOT NULL,
  "licence" text NOT NULL,
  "trainedyears" integer(64),
  CONSTRAINT "keepers_pkey" PRIMARY KEY ("keeperid"),
  CONSTRAINT "keepers_licence_key" UNIQUE ("licence")
)`,
    `CREATE TABLE "hives" (
  "hivetag" text NOT NULL,
  "siteregion" text NOT NULL,
  "siteplot" integer(64) NOT NULL,
  "keeperref" integer(64),
  "queenage" integer(64),
  "hivebuild" text,
  CONSTRAINT "hives_pkey" PRIMARY KEY ("hivetag"),
  CONSTRAINT "hives_site_fkey" FOREIGN KEY ("siteregion", "siteplot") REFERENCES "sites" ("regioncode", "plotnum"),
  CONSTRAINT "hives_keeper_fkey" FOREIGN KEY ("keeperref") REFERENCES "keepers" ("keeperid")
)`,
    `CREATE TABLE "inspections" (
  "inspkey" integer(64) NOT NULL,
  "hivelink" text NOT NULL,
  "inspday" text NOT NULL,
  "broodframes" integer(64) NOT NULL,
  "mitecount" integer(64) NOT NULL,
  "sampledbees" integer(64) NOT NULL,
  "temper" text,
  "readings" text,
  CONSTRAINT "inspections_pkey" PRIMARY KEY ("inspkey"),
  CONSTRAINT "inspections_hive_fkey" FOREIGN KEY ("hivelink") REFERENCES "hives" ("hivetag")
)`,
    `CREATE TABLE "harvests" (
  "harvkey" integer(64) NOT NULL,
  "hivelink" text NOT NULL,
  "harvday" text NOT NULL,
  "honeykg" real(8,2) NOT NULL,
  "moisturepct" real(5,2) NOT NULL,
  "gradecode" text,
  CONSTRAINT "harvests_pkey" PRIMARY KEY ("harvkey"),
  CONSTRAINT "harvests_hive_fkey" FOREIGN KEY ("hivelink") REFERENCES "hives" ("hivetag")
)`,
  ],
  rows(random) {
    const sites: Value[][] = [];
    for (const region of ['North Quay', 'Heath', 'Old Orchard']) {
      for (let plot = 1; plot <= 4; plot += 1) {
        sites.push([region, plot, random.pick(['heather', 'clover', 'linden']), random.decimal(2, 320, 1)]);
      }
    }
    const names = [
      'Ada Brandt',
      'Ines Kolb',
      'Jonas Wirth',
      'Mara Osei',
      'Per Lund',
      'Rui Teles',
      'Sofie Hahn',
      'Tom Akers',
    ];
    const keepers = names.map((name, index) => [index + 1, name, `BK-${4_100 + index * 7}`, random.int(1, 25)]);
    const hives: Value[][] = [];
    for (let number = 1; number <= 60; number += 1) {
      const [region, plot] = random.pick(sites);
      const build = {
        Frame_Count: random.pick([8, 10, 12]),
        Hive_Style: random.pick(STYLES),
        insulation: { Wall_Mm: random.decimal(18, 45, 1), Roof_Type: random.pick(['tin', 'cork', 'straw']) },
      };
      const tag = `HV${String(number).padStart(3, '0')}`;
      hives.push([
        tag,
        region!,
        plot!,
        random.chance(0.9) ? random.int(1, keepers.length) : null,
        random.int(1, 48),
        JSON.stringify(build),
      ]);
    }
    const inspections: Value[][] = [];
    for (let key = 1; key <= 240; key += 1) {
      const readings = {
        brood_temp: random.decimal(31, 38, 1),
        humidity_pct: random.int(45, 85),
        sound: { peak_hz: random.int(180, 620), level_db: random.decimal(38, 78, 1) },
        mite_drop: [random.int(0, 9), random.int(0, 9), random.int(0, 9)],
      };
      inspections.push([
        key,
        random.pick(hives)[0]!,
        random.day(),
        random.int(1, 8),
        random.int(0, 14),
        random.int(250, 350),
        random.chance(0.95) ? random.pick(TEMPERS) : null,
        random.chance(0.97) ? JSON.stringify(readings) : null,
      ]);
    }
    const harvests: Value[][] = [];
    for (let key = 1; key <= 150; key += 1) {
      harvests.push([
        key,
        random.pick(hives)[0]!,
        random.day(),
        random.decimal(3, 32, 2),
        random.decimal(15.5, 21, 2),
        random.chance(0.92) ? random.pick(['A1', 'A2', 'B', 'INDUSTRIAL']) : null,
      ]);
    }
    return { sites, keepers, hives, inspections, harvests };
  },
  meanings: {
    'beehives|Sites|RegionCode':
      'Name of the region in which the plot lies. Part of the composite key with PlotNum. Ex. Heath, North Quay',
    'beehives|Sites|PlotNum':
      'Number of the plot within its region. Part of the composite key with RegionCode. Ex. 1, 2',
    'beehives|Sites|Forage': 'What mainly blooms around the plot. Ex. heather, clover, linden',
    'beehives|Sites|Elevation_M': 'Height of the plot above sea level, in metres.',
    'beehives|Keepers|KeeperID': 'Primary key of a beekeeper.',
    'beehives|Keepers|FullName': 'Given and family name of the beekeeper.',
    'beehives|Keepers|Licence': 'Number of the licence, unique to a beekeeper. Ex. BK-4100',
    'beehives|Keepers|TrainedYears': 'Full years of practice. Contains NULL when not stated.',
    'beehives|Hives|HiveTag': 'Primary key: the tag nailed to the hive. Ex. HV001',
    'beehives|Hives|SiteRegion': 'Region of the plot where the hive stands; with SitePlot a reference to sites.',
    'beehives|Hives|SitePlot': 'Plot where the hive stands; with SiteRegion a reference to sites.',
    'beehives|Hives|KeeperRef': 'The beekeeper in charge. Contains NULL while a hive is between two keepers.',
    'beehives|Hives|QueenAge': 'Age of the queen in months.',
    'beehives|Hives|HiveBuild': {
      column_meaning: 'JSONB column. How the hive is built: frames, style, insulation.',
      fields_meaning: {
        Frame_Count: 'Number of frames that fit in the brood box. Ex. 8, 10, 12',
        Hive_Style: 'Type of construction. Ex. Langstroth, Dadant, Top Bar',
        insulation: {
          Wall_Mm: 'Thickness of the walls in millimetres.',
          Roof_Type: 'Material of the roof. Ex. tin, cork, straw',
        },
      },
    },
    'beehives|Inspections|InspKey': 'Primary key of an inspection.',
    'beehives|Inspections|HiveLink': 'The hive that was opened.',
    'beehives|Inspections|InspDay': 'Day of the inspection, YYYY-MM-DD.',
    'beehives|Inspections|BroodFrames': 'Number of frames with brood at the inspection.',
    'beehives|Inspections|MiteCount': 'Mites washed off the sampled bees.',
    'beehives|Inspections|SampledBees': 'Number of bees in the sample.',
    'beehives|Inspections|Temper': 'How the colony behaved. Ex. calm, lively, defensive',
    'beehives|Inspections|Readings': {
      column_meaning: 'JSONB column. What the sensors in the hive showed during the inspection.',
      fields_meaning: {
        brood_temp: 'Temperature in the brood nest, in degrees Celsius.',
        humidity_pct: 'Relative humidity in per cent.',
        sound: { peak_hz: 'Loudest frequency, in hertz.', level_db: 'Sound level, in decibels.' },
        mite_drop: 'Mites on the floor board on the three days before, as a list.',
      },
    },
    'beehives|Harvests|HarvKey': 'Primary key of a harvest.',
    'beehives|Harvests|HiveLink': 'The hive that was harvested.',
    'beehives|Harvests|HarvDay': 'Day of the harvest, YYYY-MM-DD.',
    'beehives|Harvests|HoneyKg': 'Weight of the honey in kilograms.',
    'beehives|Harvests|MoisturePct': 'Share of water in the honey, in per cent.',
  },
  kb: [
    calculation(
      'Mite Load Rate (MLR)',
      'How many mites a hundred bees carry.',
      String.raw`MLR = \frac{\text{mitecount}}{\text{sampledbees}} \times 100`,
    ),
    calculation(
      'Brood Fill Ratio (BFR)',
      'Which share of the frames holds brood.',
      String.raw`BFR = \frac{broodframes}{Frame\_Count}, \text{ where Frame\_Count is read from the build of the inspected hive.}`,
    ),
    calculation(
      'Colony Strength Index (CSI)',
      'Sets brood against mites.',
      String.raw`CSI = BFR \times 100 - 2 \times MLR, \text{ where BFR is the Brood Fill Ratio and MLR the Mite Load Rate.}`,
      [0, 1],
    ),
    values(
      'Temper of a Colony',
      'Shows how the behaviour of a colony is written down.',
      "Values are 'calm', 'lively' and 'defensive'. Null means that nobody looked.",
    ),
    values(
      'Grade Code',
      'Shows the grades of honey.',
      "'A1' and 'A2' may be sold in jars, 'B' goes to bakers, 'INDUSTRIAL' is not for eating. Null means not graded yet.",
    ),
    values(
      'Roof Material',
      'Shows what roofs are made of.',
      "Values are 'tin', 'cork' and 'straw'; cork keeps warmth best, tin worst.",
    ),
    calculation(
      'Dry Honey Weight (DHW)',
      'Weight of a harvest without its water.',
      String.raw`DHW = honeykg \times \left(1 - \frac{moisturepct}{100}\right)`,
    ),
    calculation(
      'Thermal Balance Gap (TBG)',
      'How far the brood nest is from the ideal 35 degrees.',
      String.raw`TBG = |\text{brood\_temp} - 35|`,
    ),
    calculation(
      'Acoustic Alarm Score (AAS)',
      'Rates how alarmed a colony sounds.',
      String.raw`AAS = \begin{cases} 2 & \text{if level\_db > 60 and peak\_hz > 400} \\ 1 & \text{if level\_db > 60} \\ 0 & \text{otherwise} \end{cases}`,
    ),
    domain(
      'Heavily Infested Colony',
      'A colony that needs treatment at once.',
      'An inspection whose MLR is above 3.',
      [0],
    ),
    domain(
      'Thriving Colony',
      'A colony that may be split in spring.',
      "An inspection with CSI above 50 and temper 'calm'.",
      [2, 3],
    ),
    calculation(
      'Roof Factor (RF)',
      'How well the roof keeps warmth.',
      String.raw`RF = \begin{cases} 1.2 & \text{if Roof\_Type = 'cork'} \\ 1.0 & \text{if Roof\_Type = 'straw'} \\ 0.8 & \text{otherwise} \end{cases}`,
      [5],
    ),
    calculation(
      'Insulation Factor (IF)',
      'How well walls and roof together keep warmth.',
      String.raw`IF = \frac{Wall\_Mm}{25} \times RF`,
      [11],
    ),
    calculation(
      'Winter Readiness Score (WRS)',
      'Whether a colony will see the spring.',
      String.raw`WRS = IF \times \left(1 + \frac{CSI}{100}\right)`,
      [2, 12],
    ),
    domain(
      'Premium Honey',
      'Honey that goes to the shop.',
      "A harvest of grade 'A1' or 'A2' with a moisturepct below 18.",
      [4],
    ),
    calculation('Queen Vigour (QV)', 'Falls with the age of the queen.', String.raw`QV = 1 - \frac{queenage}{60}`),
    calculation(
      'Forage Pressure (FP)',
      'How much the colonies of a site compete.',
      String.raw`FP = SL \times 0.5`,
      [17],
    ),
    calculation('Site Load (SL)', 'How much a site has to carry.', String.raw`SL = \frac{TS}{10}`, [18]),
    calculation('Territory Stress (TS)', 'How stressed a site is by its colonies.', String.raw`TS = FP + 1`, [16]),
    domain('Crowded Site', 'A site where no more hives may be put.', 'A site whose Forage Pressure is above 4.', [16]),
    calculation(
      'Swarm Propensity (SP)',
      'How likely a colony is to swarm.',
      String.raw`SP = CSI \times WindExposure, \text{ where WindExposure is taken from the weather service.}`,
      [2],
    ),
    calculation(
      'Average Yield per Hive (AYH)',
      'What a hive gives on average.',
      String.raw`AYH = \frac{\sum honeykg}{\text{number of distinct hives}}`,
    ),
  ],
  tasks: [
    {
      ask: 'For every hive style, show how heavily its colonies are infested on average, the worst first.',
      sql: `SELECT JSON_EXTRACT(h.hivebuild, '$.Hive_Style') AS hive_style, AVG(i.mitecount * 100.0 / i.sampledbees) AS avg_mlr FROM inspections i JOIN hives h ON h.hivetag = i.hivelink GROUP BY hive_style ORDER BY avg_mlr DESC`,
      knowledge: [0],
      isOrdered: true,
      vague: ['heavily infested', 'AVG(i.mitecount * 100.0 / i.sampledbees)'],
    },
    {
      ask: 'Which inspections call for treatment at once? Give key, hive and the rate.',
      sql: `SELECT inspkey, hivelink, mitecount * 100.0 / sampledbees AS mlr FROM inspections WHERE mitecount * 100.0 / sampledbees > 3`,
      knowledge: [0, 9],
      masked: [9],
      vague: ['treatment at once', 'mitecount * 100.0 / sampledbees > 3'],
    },
    {
      ask: 'List the ten strongest colonies seen, with the day of the inspection.',
      sql: `SELECT i.hivelink, i.inspday, (i.broodframes * 1.0 / JSON_EXTRACT(h.hivebuild, '$.Frame_Count')) * 100 - 2 * (i.mitecount * 100.0 / i.sampledbees) AS csi FROM inspections i JOIN hives h ON h.hivetag = i.hivelink ORDER BY csi DESC, i.inspkey LIMIT 10`,
      knowledge: [0, 1, 2],
      isOrdered: true,
      vague: ['strongest', 'csi DESC'],
    },
    {
      ask: 'How many kilograms of honey without water did each region give?',
      sql: `SELECT h.siteregion, SUM(v.honeykg * (1 - v.moisturepct / 100.0)) AS dry_kg FROM harvests v JOIN hives h ON h.hivetag = v.hivelink GROUP BY h.siteregion`,
      knowledge: [6],
    },
    {
      ask: 'Show how many inspections fall under each level of acoustic alarm.',
      sql: `SELECT CASE WHEN JSON_EXTRACT(readings, '$.sound.level_db') > 60 AND JSON_EXTRACT(readings, '$.sound.peak_hz') > 400 THEN 2 WHEN JSON_EXTRACT(readings, '$.sound.level_db') > 60 THEN 1 ELSE 0 END AS alarm, COUNT(*) AS inspections FROM inspections WHERE readings IS NOT NULL GROUP BY alarm`,
      knowledge: [8],
    },
    {
      ask: 'What is the share of harvests that may go to the shop, by forage of the site?',
      sql: `SELECT s.forage, SUM(CASE WHEN v.gradecode IN ('A1', 'A2') AND v.moisturepct < 18 THEN 1 ELSE 0 END) * 1.0 / COUNT(*) AS share FROM harvests v JOIN hives h ON h.hivetag = v.hivelink JOIN sites s ON s.regioncode = h.siteregion AND s.plotnum = h.siteplot GROUP BY s.forage`,
      knowledge: [4, 14],
      masked: [14],
      vague: ['may go to the shop', "v.gradecode IN ('A1', 'A2') AND v.moisturepct < 18"],
    },
    {
      ask: 'Name the keepers whose queens are in the best shape on average, best first.',
      sql: `SELECT k.fullname, AVG(1 - h.queenage / 60.0) AS vigour FROM keepers k JOIN hives h ON h.keeperref = k.keeperid GROUP BY k.keeperid ORDER BY vigour DESC, k.fullname`,
      knowledge: [15],
      isOrdered: true,
    },
    {
      ask: 'For each inspection in the last quarter, is the colony ready for winter? Give the score.',
      sql: `SELECT i.inspkey, (JSON_EXTRACT(h.hivebuild, '$.insulation.Wall_Mm') / 25.0) * CASE JSON_EXTRACT(h.hivebuild, '$.insulation.Roof_Type') WHEN 'cork' THEN 1.2 WHEN 'straw' THEN 1.0 ELSE 0.8 END * (1 + ((i.broodframes * 1.0 / JSON_EXTRACT(h.hivebuild, '$.Frame_Count')) * 100 - 2 * (i.mitecount * 100.0 / i.sampledbees)) / 100.0) AS wrs FROM inspections i JOIN hives h ON h.hivetag = i.hivelink WHERE i.inspday >= '2024-10-01'`,
      knowledge: [0, 1, 2, 11, 12, 13],
      vague: ['ready for winter', 'wrs'],
    },
  ],
};
