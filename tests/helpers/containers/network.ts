/** A network of its own for the containers of a suite; they find each other by their aliases. */
import { getContainerRuntimeClient, RandomUuid, StartedNetwork } from 'testcontainers';

import type { Engine } from './engine.ts';

/** Testcontainers' own way to make one has no place for a label. */
export async function startNetwork({ labels }: Engine): Promise<StartedNetwork> {
  const client = await getContainerRuntimeClient();
  const name = `skein-test-${new RandomUuid().nextUuid()}`;
  const network = await client.network.create({ Name: name, Driver: 'bridge', Labels: { ...labels } });
  return new StartedNetwork(client, name, network);
}
