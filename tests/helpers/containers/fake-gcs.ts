/** The storage emulator, fake-gcs-server, in a container. What of a store's contract it gets wrong: `tests/cloud/gcs-contract.test.ts`. */
import { GenericContainer, Wait, type StartedNetwork, type StartedTestContainer } from 'testcontainers';

import type { Engine } from './engine.ts';

const PORT = 4443;

export interface FakeGcs extends AsyncDisposable {
  readonly container: StartedTestContainer;
  /** For a client on this machine. */
  readonly url: string;
  /** For a client in the same network: `gcs:4443`. */
  readonly innerAddress: string;
  createBucket(name: string): Promise<void>;
}

export interface FakeGcsOptions {
  readonly network?: StartedNetwork;
  /**
   * `filesystem` keeps objects and generations when the container is restarted, `memory` loses them.
   * Default memory.
   */
  readonly backend?: 'memory' | 'filesystem';
}

export async function startFakeGcs(engine: Engine, options: FakeGcsOptions = {}): Promise<FakeGcs> {
  const { network, backend = 'memory' } = options;
  const command = ['-scheme', 'http', '-port', String(PORT), '-backend', backend];
  if (backend === 'filesystem') command.push('-filesystem-root', '/data');
  let image = new GenericContainer(engine.images.gcs)
    .withLabels({ ...engine.labels })
    .withCommand(command)
    .withExposedPorts(PORT)
    .withWaitStrategy(Wait.forHttp('/_internal/healthcheck', PORT).forStatusCode(200));
  if (network) image = image.withNetwork(network).withNetworkAliases('gcs');
  const container = await image.start();
  const url = `http://${container.getHost()}:${container.getMappedPort(PORT)}`;
  return {
    container,
    url,
    innerAddress: `gcs:${PORT}`,
    createBucket: async (name) => {
      const answer = await fetch(`${url}/storage/v1/b`, { method: 'POST', body: JSON.stringify({ name }) });
      if (!answer.ok) throw new Error(`bucket ${name}: ${answer.status} ${await answer.text()}`);
    },
    [Symbol.asyncDispose]: async () => void (await container.stop()),
  };
}
