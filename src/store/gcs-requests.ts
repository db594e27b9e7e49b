/**
 * The requests of GCS's JSON API that we make, one function each, through the client's own signing and transport.
 *
 * Not here: deadlines, verdicts and retries (`gcs.ts`), bodies that come (`gcs-download.ts`). Not the library's methods for
 * single objects either: its `File` and its upload streams cost more CPU a call than the call itself (1.1 ms against 0.4
 * for a small write), so only uploads through a session use them.
 *
 * Invariants: R1 every write names the generation that it expects, 0 for none. R2 every upload carries the checksum of its
 * bytes, and the server refuses it if others arrive. R3 a body that we send is ours: the caller may change its buffer.
 */
import { createHash, randomUUID } from 'node:crypto';

import type { GcsClient } from './gcs-client.ts';

/** What the server says of an object, as far as we ask. int64 come as strings. */
export interface Resource {
  readonly name?: string;
  readonly generation?: string | number;
  readonly size?: string | number;
  readonly updated?: string;
  readonly temporaryHold?: boolean;
}

export interface Listing {
  readonly items?: readonly Resource[];
  readonly prefixes?: readonly string[];
  readonly nextPageToken?: string;
}

export interface ListQuery {
  readonly prefix: string;
  readonly maxResults: number;
  readonly delimiter?: string;
  readonly pageToken?: string;
}

type RequestOptions = Parameters<GcsClient['bucket']['request']>[0];

/** Above this an upload goes through a session, as Google advises. */
const SESSION_ABOVE_BYTES = 8 * 1024 * 1024;
const FIELDS = 'name,generation,size,updated,temporaryHold';

export const objectPath = (name: string): string => `/o/${encodeURIComponent(name)}`;

export async function getResource(client: GcsClient, name: string): Promise<Resource> {
  return ask(client, { uri: objectPath(name), qs: { fields: FIELDS } });
}

export async function listPage(client: GcsClient, query: ListQuery): Promise<Listing> {
  return ask(client, { uri: '/o', qs: { ...query, fields: `items(${FIELDS}),prefixes,nextPageToken` } });
}

export async function removeObject(client: GcsClient, name: string, generation: string): Promise<void> {
  await ask(client, { method: 'DELETE', uri: objectPath(name), qs: { ifGenerationMatch: generation } });
}

/** A temporary hold: neither a lifecycle rule nor a caller deletes or replaces the object while it is there. */
export async function patchHold(client: GcsClient, name: string, temporaryHold: boolean): Promise<void> {
  await ask(client, { method: 'PATCH', uri: objectPath(name), qs: { fields: FIELDS }, json: { temporaryHold } });
}

/** Uploads `bytes` if the generation under `name` is `expected`. The new object, as the server has it. */
export async function upload(client: GcsClient, name: string, bytes: Uint8Array, expected: string): Promise<Resource> {
  const md5Hash = createHash('md5').update(bytes).digest('base64');
  if (bytes.byteLength > SESSION_ABOVE_BYTES)
    return uploadInSession(client, name, Buffer.from(bytes), expected, md5Hash);
  const boundary = randomUUID();
  const contentType = contentTypeOf(name);
  const head =
    `--${boundary}\r\ncontent-type: application/json\r\n\r\n${JSON.stringify({ md5Hash, contentType })}\r\n` +
    `--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`;
  return ask(client, {
    method: 'POST',
    uri: client.uploadUrl,
    qs: { uploadType: 'multipart', name, ifGenerationMatch: expected, fields: FIELDS },
    headers: { 'Content-Type': `multipart/related; boundary=${boundary}` },
    body: Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--`)]),
  });
}

async function uploadInSession(
  { bucket }: GcsClient,
  name: string,
  bytes: Buffer,
  expected: string,
  md5Hash: string,
): Promise<Resource> {
  const file = bucket.file(name);
  await file.save(bytes, {
    resumable: true,
    validation: false,
    gzip: false,
    preconditionOpts: { ifGenerationMatch: expected },
    metadata: { md5Hash, contentType: contentTypeOf(name) },
  });
  return file.metadata as Resource;
}

async function ask<T extends object>({ bucket }: GcsClient, options: RequestOptions): Promise<T> {
  const [body] = await bucket.request(options);
  return body as T;
}

/** For people who look into the bucket with a browser. */
function contentTypeOf(name: string): string {
  if (name.endsWith('.json')) return 'application/json';
  return /\.(?:log|md|txt|yaml|yml|jsonl)$/.test(name) ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}
