/**
 * A relay in a container that spoils a share of the HTTP answers: 503 storms, answers that are lost after the work was done.
 * What toxiproxy cannot do, as it knows bytes and no requests.
 */
import { fileURLToPath } from 'node:url';

import { GenericContainer, Wait, type StartedNetwork } from 'testcontainers';

import type { Engine } from './engine.ts';
import type { Storm } from './storm-server.ts';

const PORT = 8080;
const PROGRAM = fileURLToPath(new URL('storm-server.ts', import.meta.url));

export interface StormRelay extends AsyncDisposable {
  /** For a client on this machine. */
  readonly url: string;
  /** For a client in the same network: `storm:8080`. */
  readonly innerAddress: string;
  /** From now on; undefined: fair weather. */
  set(storm: Storm | undefined): Promise<void>;
  /** How many requests were spoiled so far. */
  spoiled(): Promise<number>;
}

/** @param upstream `host:port` in the network */
export async function startStormRelay(engine: Engine, network: StartedNetwork, upstream: string): Promise<StormRelay> {
  const container = await new GenericContainer(engine.images.product)
    .withLabels({ ...engine.labels })
    .withEntrypoint(['node', '/storm/storm-server.ts'])
    .withCommand([String(PORT), upstream])
    .withBindMounts([{ source: PROGRAM, target: '/storm/storm-server.ts', mode: 'ro' }])
    .withExposedPorts(PORT)
    .withNetwork(network)
    .withNetworkAliases('storm')
    .withWaitStrategy(Wait.forHttp('/_storm', PORT).forStatusCode(200))
    .start();
  const url = `http://${container.getHost()}:${container.getMappedPort(PORT)}`;
  return {
    url,
    innerAddress: `storm:${PORT}`,
    set: async (storm) => {
      const answer = await fetch(`${url}/_storm`, { method: 'PUT', body: JSON.stringify(storm ?? null) });
      if (!answer.ok) throw new Error(`storm: ${answer.status}`);
    },
    spoiled: async () => ((await (await fetch(`${url}/_storm`)).json()) as { spoiled: number }).spoiled,
    [Symbol.asyncDispose]: async () => void (await container.stop()),
  };
}
