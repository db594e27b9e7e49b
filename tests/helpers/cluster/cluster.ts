/**
 * A cluster of real processes on this machine: a bucket in a folder, a head daemon, node daemons that each dial through a
 * link of their own, and clients. Tests hold the verbs and the assertions; everything about processes is here.
 *
 * Invariants: C1 disposal ends every process that was started, heals nothing, and fails if one of a group is left. C2 a head
 * or node that is started again has the same name, data dir, port and link as before.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { openStore } from '../../../src/store/open.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { HeadClient } from '../../../src/wire/head-client.ts';
import { waitUntil } from '../wait-until.ts';
import { readDaemonLog, type LogLine } from './daemon-log.ts';
import { freePort, Link } from './link.ts';
import { ClusterProcess } from './process.ts';

/** `D/ready.json` as a daemon writes it when it accepts work. */
export interface Ready {
  readonly pid: number;
  readonly address: string;
  readonly version: string;
  readonly boot_id: string;
}

/** How long a daemon may take to be ready, with the machine busy. */
const READY_MS = 20_000;
/** How long what a killed daemon had started may outlive it. */
const GONE_MS = 5_000;

export interface ClusterOptions {
  /** `--lost-after` of the head. Default 3. */
  readonly lostAfterS?: number;
  /** More flags of the head. */
  readonly headFlags?: readonly string[];
}

export interface StartOptions {
  /** Dies by SIGKILL there: a fail point of `src/kernel/failpoint.ts`, `name` or `name:visit`. */
  readonly failPoint?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** False: return at once, for a daemon that is expected not to become ready. Default true. */
  readonly untilReady?: boolean;
}

export interface NodeOptions {
  /** Default: a folder of its own in the cluster's. */
  readonly dataDir?: string;
  /** What it dials. Default: its link. */
  readonly address?: string;
  /** See `ClusterProcess.start`. */
  readonly prefix?: readonly string[];
  /** More flags of the node. */
  readonly flags?: readonly string[];
}

/** A daemon over its lives: data dir and flags stay, processes come and go. */
export class Daemon {
  readonly name: string;
  readonly dataDir: string;
  readonly #args: () => readonly string[];
  readonly #track: (process: ClusterProcess) => void;
  readonly #prefix: readonly string[];
  /** Every process that it was, the first first. */
  readonly lives: ClusterProcess[] = [];

  constructor(
    name: string,
    dataDir: string,
    args: () => readonly string[],
    track: (process: ClusterProcess) => void,
    prefix: readonly string[] = [],
  ) {
    this.#prefix = prefix;
    this.name = name;
    this.dataDir = dataDir;
    this.#args = args;
    this.#track = track;
  }

  /** The life that runs, or the last one. */
  get process(): ClusterProcess {
    const life = this.lives.at(-1);
    if (!life) throw new Error(`${this.name} was never started`);
    return life;
  }

  get isRunning(): boolean {
    const life = this.lives.at(-1);
    return life !== undefined && life.end === undefined;
  }

  async start({ failPoint, env = {}, untilReady = true }: StartOptions = {}): Promise<this> {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    await mkdir(this.dataDir, { recursive: true });
    const armed = failPoint === undefined ? env : { ...env, SKEIN_FAILPOINT: failPoint };
    const life = ClusterProcess.start(this.name, this.#args(), {
      ...{ cwd: this.dataDir, env: armed, prefix: this.#prefix },
    });
    this.lives.push(life);
    this.#track(life);
    if (untilReady) await this.ready();
    return this;
  }

  /** What it wrote when this life of it became ready. */
  async ready(): Promise<Ready> {
    let ready: Ready | undefined;
    await waitUntil(
      `${this.name} is ready`,
      async () => (ready = await this.#readyNow()) !== undefined,
      READY_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.process.diary()}`, { cause: error });
    });
    return ready as unknown as Ready;
  }

  async #readyNow(): Promise<Ready | undefined> {
    const { end, pid } = this.process;
    if (end) throw new Error(`${this.name} ended before it was ready: ${end.code ?? end.signal}`);
    const text = await readFile(join(this.dataDir, 'ready.json'), 'utf8').catch(() => '');
    if (text === '') return undefined;
    const ready = JSON.parse(text) as Ready;
    return ready.pid === pid ? ready : undefined;
  }

  async kill(): Promise<void> {
    await this.process.kill();
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }

  freeze(): void {
    this.process.freeze();
  }

  thaw(): void {
    this.process.thaw();
  }

  /** All that its lives logged, line by line; what is half-written is passed over. */
  async log(): Promise<LogLine[]> {
    return await readDaemonLog(join(this.dataDir, 'log'));
  }
}

/** A node and its way to the head. */
export interface ClusterNode extends Daemon {
  readonly link: Link;
}

type TraceLine = LogLine & { readonly daemon: string };

export class Cluster implements AsyncDisposable {
  readonly dir: string;
  readonly storeUrl: string;
  readonly store: ObjectStore;
  readonly head: Daemon;
  readonly nodes = new Map<string, ClusterNode>();
  readonly #processes: ClusterProcess[] = [];
  readonly #links: Link[] = [];
  readonly #heads: Daemon[] = [];
  /** Which head nodes and clients dial. */
  #acting: { readonly head: Daemon; readonly port: number };

  private constructor(dir: string, store: ObjectStore, headPort: number, options: ClusterOptions) {
    this.dir = dir;
    this.store = store;
    this.storeUrl = store.url;
    this.head = this.anotherHead('head', headPort, options);
    this.#acting = { head: this.head, port: headPort };
  }

  /** Makes folder, store and port; nothing runs yet. */
  static async create(options: ClusterOptions = {}): Promise<Cluster> {
    const dir = await mkdtemp(join(tmpdir(), 'skein-cluster-'));
    const store = await openStore(`file://${join(dir, 'bucket')}`);
    return new Cluster(dir, store, await freePort(), options);
  }

  /** A head and nodes `n1`, `n2` …, all ready. */
  static async start(nodes: number, actors: number, options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = await Cluster.create(options);
    try {
      await cluster.head.start();
      for (let n = 1; n <= nodes; n += 1) await (await cluster.node(`n${n}`, actors)).start();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get address(): string {
    return `127.0.0.1:${this.#acting.port}`;
  }

  get tokenFile(): string {
    return join(this.#acting.head.dataDir, 'token');
  }

  /** A head daemon on the same bucket, with a data dir of its own called `name`. */
  anotherHead(name: string, port: number, { lostAfterS = 3, headFlags = [] }: ClusterOptions = {}): Daemon {
    const dataDir = join(this.dir, name);
    const args = () => [
      ...['start', '--head', '--port', String(port), '--store', this.storeUrl, '--data-dir', dataDir],
      ...['--lost-after', String(lostAfterS), ...headFlags],
    ];
    const head = new Daemon(name, dataDir, args, (process) => this.#processes.push(process));
    this.#heads.push(head);
    return head;
  }

  /** From now on nodes and clients go to another head; connections that stand are not touched. */
  pointTo(head: Daemon, port: number): void {
    this.#acting = { head, port };
  }

  /** The node called `name`, not started yet when it is new. */
  async node(name: string, actors = 2, options: NodeOptions = {}): Promise<ClusterNode> {
    const { dataDir = join(this.dir, name), prefix = [], flags = [] } = options;
    const known = this.nodes.get(name);
    if (known) return known;
    const link = await Link.open(() => this.#acting.port);
    this.#links.push(link);
    const args = () => [
      ...['start', '--address', options.address ?? link.address, '--actors', String(actors), '--data-dir', dataDir],
      ...['--node-name', name, '--token-file', this.tokenFile, '--connect-timeout', '60'],
      ...flags,
    ];
    const daemon = new Daemon(name, dataDir, args, (process) => this.#processes.push(process), prefix);
    const node = Object.assign(daemon, { link });
    this.nodes.set(name, node);
    return node;
  }

  /** `skein ARGS` beside the cluster; the token is in its environment, the address too unless `args` name a store. */
  cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): ClusterProcess {
    const known: Record<string, string> = { SKEIN_TOKEN_FILE: this.tokenFile };
    if (!args.includes('--store')) known['SKEIN_ADDRESS'] = this.address;
    const client = ClusterProcess.start(args.slice(0, 2).join(' '), args, { cwd: this.dir, env: { ...known, ...env } });
    this.#processes.push(client);
    return client;
  }

  /** The command's end, which must be `code`. */
  async run(args: readonly string[], code = 0, env: Readonly<Record<string, string>> = {}): Promise<ClusterProcess> {
    return await this.cli(args, env).mustEnd(code);
  }

  /** What every head of this cluster logged. */
  async headLog(): Promise<LogLine[]> {
    return (await Promise.all(this.#heads.map((head) => head.log()))).flat();
  }

  /** All that daemons logged of one task, and of nodes and leases meanwhile: for the text of a failure. */
  async traceOf(runId: string, instanceId: string): Promise<string> {
    const isOwn = (line: LogLine): boolean => (line['instance'] ?? line['instanceId']) === instanceId;
    return traceText(
      (await this.#trace()).filter(
        (line) => isOwn(line) || (line['instance'] === undefined && (line['run'] ?? runId) === runId),
      ),
    );
  }

  /** How each daemon is, the last that it logged, and what the head says of itself: for the text of a failure. */
  async recent(lines = 12): Promise<string> {
    using client = await this.headClient();
    const status = await client.status().then(
      (answer) => JSON.stringify(answer),
      (error: unknown) => String(error),
    );
    const trace = await this.#trace();
    const daemons = [...this.#heads, ...this.nodes.values()].map((daemon) => {
      const end = daemon.lives.at(-1)?.end;
      const how = daemon.isRunning ? 'runs' : `ended with ${end?.code ?? end?.signal}: ${daemon.lives.at(-1)?.stderr}`;
      const own = trace.filter((line) => line.daemon === daemon.name).slice(-lines);
      return `== ${daemon.name}, life ${daemon.lives.length}, ${how}\n${traceText(own)}`;
    });
    return `${daemons.join('\n')}\n${status}`;
  }

  async #trace(): Promise<TraceLine[]> {
    const daemons: Daemon[] = [...this.#heads, ...this.nodes.values()];
    const logs = await Promise.all(
      daemons.map(async (daemon) =>
        (await daemon.log()).map((line) => ({ ...line, daemon: daemon.name }) as TraceLine),
      ),
    );
    return logs.flat().sort((a, b) => a.time.localeCompare(b.time));
  }

  /** A client of the head inside this process: a command costs a start. */
  async headClient(): Promise<HeadClient> {
    return new HeadClient(this.address, { token: (await readFile(this.tokenFile, 'utf8')).trim() });
  }

  /** All that the processes wrote, for the text of a failure. */
  diary(): string {
    return this.#processes.map((process) => process.diary()).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process[Symbol.asyncDispose]()));
    await Promise.all(this.#links.map((link) => link[Symbol.asyncDispose]()));
    await this.store[Symbol.asyncDispose]();
    // What a killed daemon had started ends by itself, a moment later.
    await waitUntil('all are gone', () => processesOf(this.dir).length === 0, GONE_MS).catch(() => {});
    const left = processesOf(this.dir);
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    await rm(this.dir, { recursive: true, force: true });
    if (left.length > 0)
      throw new Error(`left running: ${left.map(({ pid, command }) => `${pid} ${command}`).join(', ')}`);
  }
}

function traceText(lines: readonly TraceLine[]): string {
  return lines
    .map(({ time, daemon, msg, level: _level, boot: _boot, part: _part, ...fields }) =>
      [time.slice(11, 23), daemon, msg, JSON.stringify(fields)].join(' '),
    )
    .join('\n');
}

/** Processes that were started in `dir` or name it: ours, and what they started. */
function processesOf(dir: string): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || name === String(process.pid)) continue;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (command.includes(dir) || readlinkSync(`/proc/${name}/cwd`).startsWith(dir)) {
        found.push({ pid: Number(name), command });
      }
    } catch {
      // It ended between the two looks, or is somebody else's.
    }
  }
  return found;
}
