/** The objects of a server in one file, so that an emulator can be started again with what it had. */
import { readFile, writeFile } from 'node:fs/promises';

import type { Stored } from './bucket.ts';
import type { GcsServer } from './server.ts';

interface SavedBucket {
  readonly name: string;
  readonly resource: Record<string, unknown>;
  readonly metageneration: number;
  readonly objects: readonly (Omit<Stored, 'bytes'> & { readonly base64: string })[];
}

export async function saveState(server: GcsServer, path: string): Promise<void> {
  const saved = [...server.buckets.values()].map((bucket): SavedBucket => ({
    name: bucket.name,
    resource: bucket.resource,
    metageneration: bucket.metageneration,
    objects: bucket.all().map(({ bytes, ...rest }) => ({ ...rest, base64: bytes.toString('base64') })),
  }));
  await writeFile(path, JSON.stringify(saved));
}

/** A file that is not there is an empty state. */
export async function loadState(server: GcsServer, path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => '[]');
  for (const { name, resource, metageneration, objects } of JSON.parse(text) as SavedBucket[]) {
    const bucket = server.bucket(name);
    bucket.resource = resource;
    bucket.metageneration = metageneration;
    for (const { base64, ...rest } of objects) bucket.restore({ ...rest, bytes: Buffer.from(base64, 'base64') });
  }
}
