/**
 * A container of the product's image as a machine of its own: its files and processes are nobody else's. Runs one daemon, or
 * waits for commands. A machine that was killed is started again with the files that it had.
 */
import { GenericContainer, getContainerRuntimeClient, Wait, type StartedNetwork } from 'testcontainers';

import type { Engine } from './engine.ts';
import type { ProductEnd } from './product.ts';

export interface MachineOptions {
  /** Its name in the network. */
  readonly name: string;
  /** Of every process in it. */
  readonly env?: Readonly<Record<string, string>>;
  /** `skein ARGS` is what it runs; without, it waits for commands. */
  readonly daemon?: {
    readonly args: readonly string[];
    /** There once the daemon accepts work. */
    readonly readyFile: string;
  };
}

export class Machine implements AsyncDisposable {
  readonly name: string;
  readonly #container: Awaited<ReturnType<GenericContainer['start']>>;

  private constructor(name: string, container: Awaited<ReturnType<GenericContainer['start']>>) {
    this.name = name;
    this.#container = container;
  }

  static async start(engine: Engine, network: StartedNetwork, options: MachineOptions): Promise<Machine> {
    const { name, env = {}, daemon } = options;
    const image = new GenericContainer(engine.images.product)
      .withLabels({ ...engine.labels })
      .withEnvironment({ ...env })
      .withNetwork(network)
      .withNetworkAliases(name);
    if (daemon) {
      image.withCommand([...daemon.args]).withWaitStrategy(Wait.forSuccessfulCommand(`test -f ${daemon.readyFile}`));
    } else {
      image.withEntrypoint(['sleep', 'infinity']).withWaitStrategy(Wait.forSuccessfulCommand('true'));
    }
    // Testcontainers removes what does not become ready, and its last words with it.
    let words = '';
    image.withLogConsumer((stream) => stream.on('data', (line) => (words += String(line))));
    try {
      return new Machine(name, await image.withStartupTimeout(20_000).start());
    } catch (error) {
      throw new Error(`${name} did not become ready: ${words}`, { cause: error });
    }
  }

  /** Runs a command in it, as the user of the image, to its end. */
  async run(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<ProductEnd> {
    const { exitCode, stdout, stderr } = await this.#container.exec([...command], { env: { ...env } });
    return { code: exitCode, stdout, stderr };
  }

  skein(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<ProductEnd> {
    return this.run(['skein', ...args], env);
  }

  /** Of every reference below `root`, which need not be there, the digest of its content by database: equal on any two machines. */
  async referenceDigests(root: string): Promise<Readonly<Record<string, string>>> {
    const { code, stdout, stderr } = await this.run(['node', '--input-type=module', '-e', DIGESTS, root]);
    if (code !== 0) throw new Error(`${root} on ${this.name}: ${stderr}`);
    return JSON.parse(stdout) as Record<string, string>;
  }

  /** SIGKILL for all processes in it, as a power cut. */
  async kill(): Promise<void> {
    await (await this.#docker()).kill();
  }

  /** Runs again what it ran, with its files as they were. Does not wait until it is ready. */
  async startAgain(): Promise<void> {
    await (await this.#docker()).start();
  }

  /** What its main process has written, for the text of a failure. */
  async diary(): Promise<string> {
    const lines = (await (await this.#docker()).logs({ stdout: true, stderr: true, tail: 40 })).toString();
    return `--- ${this.name}\n${lines}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#container.stop();
  }

  async #docker() {
    const { dockerode } = (await getContainerRuntimeClient()).container;
    return dockerode.getContainer(this.#container.getId());
  }
}

/** The product's own digest over the folders of a root. */
const DIGESTS = `
  import { existsSync, readdirSync, readFileSync } from 'node:fs';
  import { join, relative } from 'node:path';
  import { contentDigest } from '/opt/skein/dist/reference/shard-slice.js';
  const [root] = process.argv.slice(1);
  const digests = {};
  const entries = existsSync(root) ? readdirSync(root, { withFileTypes: true }) : [];
  const folders = entries.filter((entry) => entry.isDirectory());
  for (const { name } of folders.filter((entry) => !entry.name.startsWith('.'))) {
    const dir = join(root, name);
    const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = files.map((entry) => join(entry.parentPath, entry.name));
    digests[name] = contentDigest(new Map(paths.map((path) => [relative(dir, path), readFileSync(path)])));
  }
  process.stdout.write(JSON.stringify(digests));
`;
