/**
 * Every way of getting a command line or its files wrong that a person is told about: one line that names the field and
 * the value, exit 2, no stack, and nothing made. Most are typed to the command line inside this process; those that open
 * something that could keep a process from ending, and one of each kind, are processes of their own.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { copyExample, EXAMPLE, runCli, type CliEnd } from '../helpers/cli.ts';
import { runCliHere } from '../helpers/command-line.ts';

/** Folders that are broken in one way each, made once. */
let lab: string;
let labTree: string[];
let freePort: number;
let listening: ReturnType<typeof createServer>;

beforeAll(async () => {
  lab = await mkdtemp(join(tmpdir(), 'skein-test-'));
  await mkdir(join(lab, 'empty'));
  await writeFile(join(lab, 'a-file'), 'no folder');
  await writeFile(join(lab, 'no-ids'), ' \n');
  await writeFile(join(lab, 'pem'), '-----BEGIN CERTIFICATE-----');
  await writeFile(join(lab, 'ids'), 'beehives_1\nbeehives_77\n');
  const broken = async (name: string, spoil: (dir: string) => Promise<void>): Promise<void> =>
    spoil(await copyExample(join(lab, name)));
  await Promise.all([
    broken('broken-line', async (dir) => {
      const path = join(dir, 'mini_interact.jsonl');
      const lines = (await readFile(path, 'utf8')).split('\n');
      await writeFile(path, [...lines.slice(0, 2), '{"instance_id": "x', ...lines.slice(2)].join('\n'));
    }),
    broken('no-sqlite', (dir) =>
      writeFile(join(dir, 'beehives', 'beehives.sqlite'), 'this is no database, only a text'),
    ),
    broken('no-json', (dir) => writeFile(join(dir, 'beehives', 'beehives_kb.jsonl'), '{"id": 0}\nnot json\n')),
    broken('absent-db', (dir) => rm(join(dir, 'ferries'), { recursive: true })),
  ]);
  // A reference that somebody else's encoder was paid for.
  await mkdir(join(lab, 'paid', 'beehives'), { recursive: true });
  await mkdir(join(lab, 'paid', '.skein'));
  await writeFile(join(lab, 'paid', 'beehives', '_reference_fp.txt'), 'f1');
  const record = { version: 1, database: 'beehives', input_fp: 'f1', encoder_id: 'gpt-agent', encoder_version: '7' };
  await writeFile(join(lab, 'paid', '.skein', 'beehives.json'), JSON.stringify({ ...record, is_paid: true }));
  // Another run's manifest under a name.
  const other = { run_id: 'taken', framework: 'noop', instance_ids: ['beehives_1'] };
  await mkdir(join(lab, 'store', 'runs', 'taken'), { recursive: true });
  await writeFile(join(lab, 'store', 'runs', 'taken', 'manifest.json'), JSON.stringify(other));

  labTree = await treeOf(lab);

  listening = createServer();
  const gone = createServer();
  await Promise.all(
    [listening, gone].map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))),
  );
  freePort = (gone.address() as AddressInfo).port;
  await new Promise((resolve) => gone.close(resolve));
});

afterAll(async () => {
  await new Promise((resolve) => listening.close(resolve));
  await rm(lab, { recursive: true, force: true });
});

/** `@name` in an argument stands for a path in the lab; `says` must all be in the line. */
interface Case {
  readonly what: string;
  readonly args: string;
  readonly says: readonly (string | RegExp)[];
  readonly env?: Readonly<Record<string, string>>;
  /** In a process of its own, which must then end. */
  readonly isProcess?: true;
}

const SUBMIT = `submit --dataset ${EXAMPLE}`;
const ALL = `${SUBMIT} --all`;

const CASES: readonly Case[] = [
  // Dataset
  {
    isProcess: true,
    what: 'a dataset that is not there',
    args: 'submit --dataset @nowhere --all',
    says: ['--dataset', '@nowhere'],
  },
  { what: 'no dataset at all', args: 'submit --all', says: ['--dataset is missing'] },
  { what: 'an empty dataset', args: 'submit --dataset @empty --all', says: ['--dataset', '@empty', 'empty'] },
  { what: 'a dataset that is a file', args: 'submit --dataset @a-file --all', says: ['--dataset', '@a-file'] },
  {
    isProcess: true,
    what: 'a broken line of the tasks file',
    args: 'submit --dataset @broken-line --all',
    says: ['mini_interact.jsonl', 'line 3'],
  },
  { what: 'an SQLite file that is none', args: 'submit --dataset @no-sqlite --all', says: ['beehives.sqlite'] },
  {
    what: 'a KB that is no JSON',
    args: 'submit --dataset @no-json --all',
    says: ['beehives_kb.jsonl', 'line 2', 'not json'],
  },
  {
    what: 'a database that only a task knows',
    args: 'submit --dataset @absent-db --all',
    says: ['selected_database', '"ferries"'],
  },
  { what: 'an encode of a dataset that is not there', args: 'encode --dataset @nowhere --all', says: ['--dataset'] },
  // Ids
  { what: 'no ids', args: SUBMIT, says: ['--all', '--instance-ids', '--instance-ids-file'] },
  { what: 'both ways of ids', args: `${ALL} --instance-ids beehives_1`, says: ['--all', '--instance-ids'] },
  {
    what: 'both lists of ids',
    args: `${SUBMIT} --instance-ids beehives_1 --instance-ids-file @ids`,
    says: ['--instance-ids-file'],
  },
  { what: 'empty ids', args: `${SUBMIT} --instance-ids ,,`, says: ['--instance-ids', '",,"'] },
  { what: 'ids without a value', args: `${SUBMIT} --instance-ids`, says: ['--instance-ids', 'value'] },
  {
    isProcess: true,
    what: 'unknown ids, all of them',
    args: `${SUBMIT} --instance-ids beehives_1,beehivs_2,zz`,
    says: ['beehivs_2', 'did you mean beehives_2', 'zz'],
  },
  {
    what: 'an id twice',
    args: `${SUBMIT} --instance-ids beehives_1,beehives_1`,
    says: ['--instance-ids', 'beehives_1', 'twice'],
  },
  { what: 'an id with ..', args: `${SUBMIT} --instance-ids ../x`, says: ['--instance-ids', '"../x"'] },
  { what: 'an id with /', args: `${SUBMIT} --instance-ids beehives_1,a/b`, says: ['--instance-ids', '"a/b"'] },
  {
    what: 'a file of ids that is not there',
    args: `${SUBMIT} --instance-ids-file @nowhere`,
    says: ['--instance-ids-file', '@nowhere'],
  },
  {
    what: 'a file without ids',
    args: `${SUBMIT} --instance-ids-file @no-ids`,
    says: ['--instance-ids-file', '@no-ids'],
  },
  {
    what: 'a folder as file of ids',
    args: `${SUBMIT} --instance-ids-file @empty`,
    says: ['--instance-ids-file', 'folder'],
  },
  {
    what: 'an unknown id in a file',
    args: `${SUBMIT} --instance-ids-file @ids`,
    says: ['--instance-ids-file', 'beehives_77'],
  },
  {
    what: 'an unknown database',
    args: `encode --dataset ${EXAMPLE} --databases ferrys`,
    says: ['--databases', 'ferrys', 'did you mean ferries'],
  },
  { what: 'no databases', args: `encode --dataset ${EXAMPLE}`, says: ['--all', '--databases'] },
  // What a run is
  { what: 'an unknown framework', args: `${ALL} --framework encod`, says: ['--framework', '"encod"', 'encode'] },
  { what: 'an unknown mode', args: `${ALL} --mode oracel`, says: ['--mode', '"oracel"', 'oracle'] },
  { what: 'an unknown query mode', args: `${ALL} --query-mode sql`, says: ['--query-mode', '"sql"'] },
  { what: 'an unknown setup', args: `${ALL} --slayer-setup fly`, says: ['--slayer-setup', '"fly"'] },
  { what: 'an unknown encoder', args: `${ALL} --encoder rulez`, says: ['--encoder', 'rulez'] },
  {
    what: 'an unknown encoder of an encode',
    args: `encode --dataset ${EXAMPLE} --all --encoder rulez`,
    says: ['--encoder', 'rulez'],
  },
  { what: 'encode in raw mode', args: `${ALL} --query-mode raw`, says: ['--framework encode', '--query-mode raw'] },
  { what: 'encode in c-interact', args: `${ALL} --mode c-interact`, says: ['--framework encode', '--mode c-interact'] },
  {
    what: 'encode on a pre-encoded setup',
    args: `${ALL} --slayer-setup pre-encoded`,
    says: ['--framework encode', '--slayer-setup pre-encoded'],
  },
  { what: 'an illegal run id', args: `${ALL} --run-id Run_1`, says: ['--run-id', '"Run_1"'] },
  { what: 'a run id that is too long', args: `${ALL} --run-id ${'a'.repeat(64)}`, says: ['--run-id', '63'] },
  {
    isProcess: true,
    what: 'the run id of another run',
    args: `${ALL} --run-id taken --store file://@store`,
    says: ['--run-id', '"taken"', 'framework'],
  },
  // Numbers
  { what: 'no actors', args: `${ALL} --actors 0`, says: ['--actors', '"0"'] },
  { what: 'actors in words', args: `${ALL} --actors two`, says: ['--actors', '"two"'] },
  { what: 'actors below zero', args: `${ALL} --actors=-1`, says: ['--actors', '"-1"'] },
  { what: 'actors as a hexadecimal', args: `${ALL} --actors 0x2`, says: ['--actors', '"0x2"'] },
  { what: 'a broken actor', args: `${ALL} --actors 1.5`, says: ['--actors', '"1.5"'] },
  {
    what: 'an interval of snapshots in words',
    args: `${ALL} --snapshot-every often`,
    says: ['--snapshot-every', '"often"'],
  },
  { what: 'grace in words', args: `${ALL} --grace soon`, says: ['--grace', '"soon"'] },
  { what: 'a timeout of nothing', args: `${ALL} --sql-timeout-ms 0`, says: ['--sql-timeout-ms', '"0"'] },
  {
    what: 'a block timeout below zero',
    args: `${ALL} --actor-block-timeout=-1`,
    says: ['--actor-block-timeout', '"-1"'],
  },
  // Flags and commands
  {
    isProcess: true,
    what: 'an unknown flag',
    args: `${ALL} --reference-rot R`,
    says: ['--reference-rot', 'did you mean --reference-root'],
  },
  { what: 'an unknown flag that is like none', args: `${ALL} --xyzzy`, says: ['--xyzzy'] },
  { what: 'an unknown short flag', args: `${ALL} -z`, says: ['-z'] },
  { what: 'a flag twice', args: `${ALL} --actors 1 --actors 2`, says: ['--actors', 'more than once'] },
  { what: 'a flag without its value', args: `${ALL} --store --quiet`, says: ['--store', 'value'] },
  { what: 'a switch with a value', args: `${ALL} --quiet=maybe`, says: ['--quiet', '"maybe"'] },
  { what: 'one argument too many', args: `${ALL} more`, says: ['"more"', 'submit'] },
  { what: 'an unknown command', args: 'sumbit', says: ['"sumbit"', 'did you mean submit'] },
  { isProcess: true, what: 'a command of a later version', args: 'doctor', says: ['"doctor"'] },
  { what: 'a flag before the command', args: '--quiet list', says: ['--quiet'] },
  // Places
  {
    what: 'a store of an unknown scheme',
    args: `${ALL} --store s3://bucket`,
    says: ['--store', 's3://bucket', 'file:///'],
  },
  { what: 'a store in a cloud of later', args: `${ALL} --store gs://bucket`, says: ['--store', 'gs://bucket'] },
  {
    what: 'a relative store',
    args: `${ALL} --store file://some/dir`,
    says: ['--store', 'file://some/dir', 'absolute'],
  },
  { what: 'a store that is no URL', args: `${ALL} --store some/dir`, says: ['--store', 'some/dir'] },
  { what: 'a store that is a file', args: `${ALL} --store file://@a-file`, says: ['--store', '@a-file'] },
  {
    isProcess: true,
    what: 'a store that cannot be written to',
    args: `${ALL} --store file:///proc/skein`,
    says: ['store', '/proc/skein'],
  },
  {
    what: 'a store of the environment',
    args: ALL,
    env: { SKEIN_STORE: 's3://bucket' },
    says: ['SKEIN_STORE', 's3://bucket'],
  },
  { what: 'an out folder that is a file', args: `${ALL} --out @a-file`, says: ['--out', '@a-file'] },
  { what: 'an out folder below a file', args: `${ALL} --out @a-file/deeper`, says: ['--out', '@a-file'] },
  { what: 'caches in the dataset', args: `${ALL} --cache-root ${EXAMPLE}`, says: ['--cache-root', 'dataset'] },
  {
    what: 'one root for two things',
    args: `${ALL} --cache-root @same --reference-root @same`,
    says: ['--reference-root', '--cache-root'],
  },
  {
    isProcess: true,
    what: 'an address where nothing listens',
    args: `${ALL} --address 127.0.0.1:@free --connect-timeout 0.2`,
    says: ['--address', '127.0.0.1:@free', 'nothing listens'],
  },
  {
    isProcess: true,
    what: 'an address of the environment',
    args: `${ALL} --connect-timeout 0`,
    env: { SKEIN_ADDRESS: '127.0.0.1:@free' },
    says: ['SKEIN_ADDRESS', 'nothing listens'],
  },
  { what: 'an address that is none', args: `${ALL} --address somewhere`, says: ['--address', '"somewhere"'] },
  { what: 'a port that is none', args: 'list --address host:99999', says: ['--address', '"host:99999"'] },
  {
    isProcess: true,
    what: 'a web server in place of a head',
    args: 'status --address 127.0.0.1:@busy --connect-timeout 0.2',
    says: ['--address', '127.0.0.1:@busy'],
  },
  {
    what: 'a wait for a head that is gone',
    args: 'wait r1 --address 127.0.0.1:@free --connect-timeout 0.2',
    says: ['--address', 'nothing listens'],
  },
  { what: 'no head at all', args: 'status', says: ['--address', '--data-dir', 'SKEIN_ADDRESS'] },
  {
    what: 'a data dir without daemon',
    args: 'status --data-dir @empty',
    says: ['--data-dir', '@empty', 'skein start'],
  },
  { what: 'a data dir that is not there', args: 'stop --data-dir @nowhere', says: ['--data-dir', '@nowhere'] },
  {
    what: 'a token file that is not there',
    args: 'list --address 127.0.0.1:@free --token-file @nowhere',
    says: ['--token-file', '@nowhere', 'no such file'],
  },
  {
    what: 'a token file without token',
    args: 'list --address 127.0.0.1:@free',
    env: { SKEIN_TOKEN_FILE: '@no-ids' },
    says: ['SKEIN_TOKEN_FILE', '@no-ids', 'empty'],
  },
  {
    what: 'a token that is none, which is not shown',
    args: 'list --address 127.0.0.1:@free',
    env: { SKEIN_TOKEN: 'short secret' },
    says: ['SKEIN_TOKEN', /^(?!.*short secret)/],
  },
  {
    what: 'a certificate without key',
    args: 'list --address 127.0.0.1:@free --tls-cert @pem',
    says: ['--tls-key', '--tls-cert'],
  },
  {
    what: 'a CA that is no PEM',
    args: 'list --address 127.0.0.1:@free --tls-ca @a-file',
    says: ['--tls-ca', '@a-file'],
  },
  { what: 'a CA that is not there', args: 'start --head --tls-ca @nowhere', says: ['--tls-ca', '@nowhere'] },
  { what: 'detach without a head', args: `${ALL} --detach`, says: ['--detach', '--address'] },
  { what: 'a kill of no run', args: 'kill nope --store file://@store', says: ['nope', 'no such run'] },
  // Daemons
  { what: 'a start of nothing', args: 'start', says: ['--head', '--address'] },
  { what: 'a start of both', args: 'start --head --address 127.0.0.1:@free', says: ['--head', '--address'] },
  { what: 'a flag of nodes for a head', args: 'start --head --actors 3', says: ['--actors', 'nodes'] },
  { what: 'a flag of heads for a node', args: 'start --address 127.0.0.1:@free --port 3', says: ['--port', 'heads'] },
  {
    what: 'a head in plain text for everybody',
    args: 'start --head --host 0.0.0.0',
    says: ['--host', '--tls-cert', '--insecure'],
  },
  { what: 'a port in words', args: 'start --head --port any', says: ['--port', '"any"'] },
  {
    isProcess: true,
    what: 'a port in use',
    args: 'start --head --port @busy --data-dir d --store file://@store',
    says: ['127.0.0.1:@busy', 'in use'],
  },
  {
    what: 'a data dir that is a file',
    args: 'start --head --data-dir @a-file --store file://@store',
    says: ['--data-dir', '@a-file'],
  },
  {
    what: 'a head on a store that cannot be written to',
    args: 'start --head --data-dir d --store file:///proc/skein',
    says: ['store', '/proc/skein'],
  },
  {
    isProcess: true,
    what: 'a node for nobody',
    args: 'start --address 127.0.0.1:@free --connect-timeout 0.2',
    says: ['--address', 'nothing listens'],
  },
  {
    what: 'a spool that one row would fill',
    args: 'start --address 127.0.0.1:@free --spool-limit 1000',
    says: ['--spool-limit', '"1000"'],
  },
  {
    what: 'an illegal node name',
    args: 'start --address 127.0.0.1:@free --node-name ../n',
    says: ['--node-name', '"../n"'],
  },
  { what: 'a silence below zero', args: 'start --head --lost-after=-1', says: ['--lost-after', '"-1"'] },
  // Runs and references
  {
    isProcess: true,
    what: 'a fetch of no run',
    args: 'fetch nope --store file://@store',
    says: ['nope', 'no such run'],
  },
  { what: 'a fetch from a store that is not there', args: 'fetch nope', says: ['nope', 'no such run'] },
  { what: 'a wait for no run', args: 'wait nope --store file://@store', says: ['nope', 'no such run'] },
  { what: 'a resume of no run', args: 'resume nope --store file://@store', says: ['nope', 'no such run'] },
  { what: 'logs of no run', args: 'logs nope --store file://@store', says: ['nope', 'no such run'] },
  {
    what: 'logs of no task of the run',
    args: 'logs taken beehives_2 --store file://@store',
    says: ['"beehives_2"', 'taken'],
  },
  { what: 'a fetch of nothing', args: 'fetch', says: ['RUN is missing'] },
  { what: 'a wait for an illegal id', args: 'wait ../x', says: ['RUN', '"../x"'] },
  {
    isProcess: true,
    what: 'a reference that another encoder was paid for',
    args: `${ALL} --reference-root @paid`,
    says: ['--reference-root', 'gpt-agent', 'rules'],
  },
  {
    what: 'the same before an encode',
    args: `encode --dataset ${EXAMPLE} --all --reference-root @paid`,
    says: ['gpt-agent', 'rules'],
  },
];

const filled = (text: string): string =>
  text
    .replaceAll('@free', String(freePort))
    .replaceAll('@busy', String((listening.address() as AddressInfo).port))
    .replaceAll('@', `${lab}/`);

async function treeOf(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).sort();
}

function expectOneLine(end: CliEnd, says: Case['says']): void {
  expect(end.stderr).toMatch(/^skein: [^\n]+\n$/);
  expect(end.stderr).not.toMatch(/\n {4}at /);
  for (const what of says) {
    if (typeof what === 'string') expect(end.stderr).toContain(filled(what));
    else expect(end.stderr).toMatch(what);
  }
  expect(end.stdout).toBe('');
  expect(end.code).toBe(2);
}

/** Types the case's line in an empty folder, by way of `type`. */
async function expectRefused({ args, says, env }: Case, type: typeof runCliHere): Promise<void> {
  const cwd = await mkdtemp(join(tmpdir(), 'skein-test-'));
  try {
    const own = Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, filled(value)]));
    expectOneLine(await type(filled(args).split(' '), { cwd, env: own }), says);
    expect(await treeOf(cwd)).toEqual([]);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

describe('bad input', () => {
  it.for(CASES.filter(({ isProcess }) => !isProcess))(
    '$what: one line, exit 2, nothing made (L-02, L-03, V-20)',
    (bad) => expectRefused(bad, runCliHere),
  );
});

describe.concurrent('bad input, and the end of the process', () => {
  it.for(CASES.filter(({ isProcess }) => isProcess))('$what: one line, exit 2, nothing made', (bad) =>
    expectRefused(bad, runCli),
  );

  it('with --json a mistake is also one object on stdout (P-01)', async ({ expect: expectHere }) => {
    const end = await runCli(['submit', '--dataset', join(lab, 'nowhere'), '--all', '--json'], { cwd: lab });
    expectHere(end.code).toBe(2);
    expectHere(end.stderr).toMatch(/^skein: [^\n]+\n$/);
    expectHere(JSON.parse(end.stdout)).toMatchObject({ exit_code: 2, exit_reason: 'invalid-input' });
  });

  it('a command without anything shows the help and is a mistake', async ({ expect: expectHere }) => {
    const end = await runCli([], { cwd: lab });
    expectHere(end.code).toBe(2);
    expectHere(end.stderr).toContain('skein submit');
    expectHere(end.stdout).toBe('');
  });
});

describe('what the commands were pointed at', () => {
  it('is as it was after all of it', async () => {
    expect(await treeOf(lab)).toEqual(labTree);
  });
});
