/**
 * A cluster of machines: a head and two nodes as daemons in containers of the product's image, a client that waits for
 * commands, all on one `gs://` store. Nodes dial the head through a line that can be spoiled.
 *
 * Not here: clusters of processes on this machine (`../cluster/`), which are quicker and suffer more.
 */
import type { BucketSite } from './bucket-site.ts';
import type { Engine } from './engine.ts';
import { Machine } from './machine.ts';
import type { ProductEnd } from './product.ts';
import type { Line } from './toxiproxy.ts';

const PORT = 6380;
const READY = 'ready.json';

export interface MachineCluster extends AsyncDisposable {
  readonly head: Machine;
  readonly nodes: readonly [Machine, Machine];
  readonly client: Machine;
  /** `skein ARGS` on the client, which knows the head and the token. */
  skein(args: readonly string[]): Promise<ProductEnd>;
  /** What the daemons have written, for the text of a failure. */
  diary(): Promise<string>;
}

export interface ClusterSite {
  readonly engine: Engine;
  readonly site: BucketSite;
  /** From nodes to the head, whichever runs at the time. */
  readonly headLine: Line;
}

/** The line to a head in the site's network; one a site. */
export async function layHeadLine({ proxy }: BucketSite): Promise<Line> {
  return await proxy.layLine('head', `head:${PORT}`);
}

export async function startMachineCluster(
  { engine, site, headLine }: ClusterSite,
  store: string,
  actors = 2,
): Promise<MachineCluster> {
  await using stack = new AsyncDisposableStack();
  const env: Record<string, string> = { SKEIN_GCS_ENDPOINT: site.line.innerUrl };
  const daemon = async (name: string, args: readonly string[]): Promise<Machine> => {
    const dataDir = `/data/${name}`;
    const options = { args: ['start', ...args, '--data-dir', dataDir], readyFile: `${dataDir}/${READY}` };
    return stack.use(await Machine.start(engine, site.network, { name, env, daemon: options }));
  };
  const head = await daemon('head', ['--head', '--host', '0.0.0.0', '--insecure', '--store', store]);
  env['SKEIN_TOKEN'] = (await head.run(['cat', '/data/head/token'])).stdout.trim();
  const address = new URL(headLine.innerUrl).host;
  const node = (name: string): Promise<Machine> =>
    daemon(name, ['--address', address, '--actors', String(actors), '--node-name', name]);
  const starting = [
    node('node-1'),
    node('node-2'),
    Machine.start(engine, site.network, { name: 'client', env }).then((machine) => stack.use(machine)),
  ] as const;
  // All are on the stack before any failure undoes it.
  await Promise.allSettled(starting);
  const [first, second, client] = await Promise.all(starting);
  const nodes = [first, second] as const;
  const kept = stack.move();
  return {
    head,
    nodes,
    client,
    skein: (args) => client.skein(args, { SKEIN_ADDRESS: `head:${PORT}` }),
    diary: async () => (await Promise.all([head, ...nodes].map((machine) => machine.diary()))).join('\n'),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
