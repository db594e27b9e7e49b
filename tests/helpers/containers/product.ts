/** Runs one command of the product's image to its end, as `docker run --rm --init` does. */
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';

import { getContainerRuntimeClient } from 'testcontainers';

import type { Engine } from './engine.ts';

export interface ProductEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProductOptions {
  /** Instead of `skein`. */
  readonly entrypoint?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `/on/this/machine:/in/the/container[:ro]`. */
  readonly binds?: readonly string[];
  /** A network's name. */
  readonly network?: string;
}

export async function runProduct(
  { images, labels }: Engine,
  args: readonly string[],
  { entrypoint, env = {}, binds = [], network }: ProductOptions = {},
): Promise<ProductEnd> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const container = await dockerode.createContainer({
    Image: images.product,
    Cmd: [...args],
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    Labels: { ...labels },
    ...(entrypoint && { Entrypoint: [...entrypoint] }),
    HostConfig: { Binds: [...binds], Init: true, ...(network !== undefined && { NetworkMode: network }) },
  });
  try {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const output = Promise.all([text(stdout), text(stderr)]);
    const stream = await container.attach({ stream: true, stdout: true, stderr: true });
    dockerode.modem.demuxStream(stream, stdout, stderr);
    stream.on('end', () => {
      stdout.end();
      stderr.end();
    });
    await container.start();
    const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
    const [out, err] = await output;
    return { code, stdout: out, stderr: err };
  } finally {
    await container.remove({ force: true, v: true });
  }
}
