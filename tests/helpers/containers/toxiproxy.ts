/** Toxiproxy in a container: bad lines between two parts, made and mended while they talk. */
import { GenericContainer, Wait, type StartedNetwork } from 'testcontainers';

import type { Engine } from './engine.ts';

const API_PORT = 8474;
/** One for each line that a suite may lay. */
const LINE_PORTS = [8666, 8667, 8668, 8669] as const;

/** What toxiproxy's API calls a toxic; `toxicity` is the share of connections that have it, default 1. */
export interface Toxic {
  readonly type: 'latency' | 'bandwidth' | 'timeout' | 'reset_peer' | 'limit_data' | 'slow_close' | 'slicer';
  /** `downstream` spoils answers (the default), `upstream` what is asked. */
  readonly stream?: 'downstream' | 'upstream';
  readonly attributes: Readonly<Record<string, number>>;
  readonly toxicity?: number;
}

/** A line through the proxy to one upstream. */
export interface Line {
  /** For a client on this machine. */
  readonly url: string;
  /** For a client in the same network. */
  readonly innerUrl: string;
  /** Adds a toxic to what there is. */
  spoil(toxic: Toxic): Promise<void>;
  /** Closes the line: connections are refused. */
  cut(): Promise<void>;
  /** No toxics, and open. */
  mend(): Promise<void>;
}

export interface Toxiproxy extends AsyncDisposable {
  /** @param upstream `host:port` in the network */
  layLine(name: string, upstream: string): Promise<Line>;
}

export async function startToxiproxy(engine: Engine, network: StartedNetwork): Promise<Toxiproxy> {
  const container = await new GenericContainer(engine.images.toxiproxy)
    .withLabels({ ...engine.labels })
    .withExposedPorts(API_PORT, ...LINE_PORTS)
    .withNetwork(network)
    .withNetworkAliases('toxiproxy')
    .withWaitStrategy(Wait.forHttp('/version', API_PORT).forStatusCode(200))
    .start();
  const api = `http://${container.getHost()}:${container.getMappedPort(API_PORT)}`;
  const ask = async (method: string, path: string, body?: object): Promise<void> => {
    const answer = await fetch(`${api}${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`toxiproxy: ${method} ${path}: ${answer.status} ${text}`);
  };
  let lines = 0;
  return {
    layLine: async (name, upstream) => {
      const port = LINE_PORTS[lines];
      if (port === undefined) throw new Error(`a toxiproxy has ${LINE_PORTS.length} lines; start another`);
      lines += 1;
      await ask('POST', '/proxies', { name, listen: `0.0.0.0:${port}`, upstream, enabled: true });
      let toxics: string[] = [];
      return {
        url: `http://${container.getHost()}:${container.getMappedPort(port)}`,
        innerUrl: `http://toxiproxy:${port}`,
        spoil: async ({ toxicity = 1, stream = 'downstream', type, attributes }) => {
          const toxic = `${type}-${toxics.length}`;
          await ask('POST', `/proxies/${name}/toxics`, { name: toxic, type, stream, toxicity, attributes });
          toxics.push(toxic);
        },
        cut: () => ask('POST', `/proxies/${name}`, { enabled: false }),
        mend: async () => {
          for (const toxic of toxics) await ask('DELETE', `/proxies/${name}/toxics/${toxic}`);
          toxics = [];
          await ask('POST', `/proxies/${name}`, { enabled: true });
        },
      };
    },
    [Symbol.asyncDispose]: async () => void (await container.stop()),
  };
}
