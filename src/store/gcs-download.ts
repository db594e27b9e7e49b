/**
 * The body of one object in one request, with what its answer's headers say of it, checked.
 *
 * Not the library's own `download`: on a cut body that destroys the agent of all other calls in flight, and it checks nothing
 * when one header is missing (seen in 8.4.0).
 *
 * Invariants: D1 bytes that are fewer, more or other than the server has are never returned. D2 the time of an object is
 * the same whether it comes from a list, from its metadata or with its body.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';

import { CRC32C } from '@google-cloud/storage';

import { SkeinError } from '../kernel/errors.ts';
import type { GcsClient } from './gcs-client.ts';
import { HttpAnswer } from './gcs-errors.ts';
import { objectPath } from './gcs-requests.ts';

export interface DownloadOptions {
  readonly what: string;
  /** `end` exclusive. */
  readonly range: { readonly start: number; readonly end: number | undefined } | undefined;
  /** Told how long the body is, once that is known. */
  readonly onLength: (bytes: number) => void;
}

export interface Downloaded {
  readonly resource: { readonly generation: string; readonly size: number; readonly updated: string };
  readonly bytes: Buffer;
}

type Headers = Readonly<Record<string, string | undefined>>;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
}

/**
 * @throws HttpAnswer for any status but 200 and 206, SkeinError CORRUPT (D1), or what the connection met
 */
export async function download(client: GcsClient, name: string, options: DownloadOptions): Promise<Downloaded> {
  const { what, range, onLength } = options;
  const last = range?.end === undefined ? '' : range.end - 1;
  const stream = client.bucket.requestStream({
    uri: objectPath(name),
    qs: { alt: 'media' },
    headers: {
      'Accept-Encoding': 'gzip',
      'Cache-Control': 'no-store',
      ...(range && { Range: `bytes=${range.start}-${last}` }),
    },
  }) as unknown as Readable;
  const body = collect(stream);
  const { status, headers } = await Promise.race([answerOf(stream), body.failed]);
  onLength(Number(headers['content-length'] ?? 0));
  const bytes = await body.whole;
  if (status !== 200 && status !== 206) throw new HttpAnswer(status, bytes.toString('utf8'));
  return { resource: check(what, bytes, headers, status === 206), bytes };
}

function answerOf(stream: Readable): Promise<Answer> {
  return new Promise((resolve) => {
    stream.once('response', (response: { statusCode: number; headers: Headers }) =>
      resolve({ status: response.statusCode, headers: response.headers }),
    );
  });
}

/** The bytes of `stream`; errors that come after the end concern nobody and are heard here. */
function collect(stream: Readable): { readonly whole: Promise<Buffer>; readonly failed: Promise<never> } {
  const whole = Promise.withResolvers<Buffer>();
  const failed = Promise.withResolvers<never>();
  const chunks: Buffer[] = [];
  const fail = (error: unknown): void => {
    whole.reject(error);
    failed.reject(error);
  };
  whole.promise.catch(() => {});
  failed.promise.catch(() => {});
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', fail);
  stream.once('end', () => whole.resolve(Buffer.concat(chunks)));
  stream.once('close', () => fail(new Error('the connection was closed before the body ended')));
  return { whole: whole.promise, failed: failed.promise };
}

function check(what: string, bytes: Buffer, headers: Headers, isPart: boolean): Downloaded['resource'] {
  const corrupt = (why: string): SkeinError => new SkeinError('CORRUPT', `${what}: ${why}; fetch it again`);
  const generation = headers['x-goog-generation'];
  const updated = headers['last-modified'];
  if (generation === undefined || updated === undefined) throw corrupt('the answer lacks its generation or its time');
  const announced = headers['content-length'];
  if (announced !== undefined && Number(announced) !== bytes.byteLength) {
    throw corrupt(`${bytes.byteLength} of ${announced} bytes came`);
  }
  if (isPart) {
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '');
    if (range === null) throw corrupt('a part came without saying which');
    const [, first, last, total] = range.map(Number) as [number, number, number, number];
    if (last - first + 1 !== bytes.byteLength) throw corrupt(`${bytes.byteLength} of ${last - first + 1} bytes came`);
    return { generation, updated, size: total };
  }
  const size = Number(headers['x-goog-stored-content-length'] ?? bytes.byteLength);
  if (size !== bytes.byteLength) throw corrupt(`${bytes.byteLength} of ${size} bytes came`);
  const problem = hashProblem(bytes, headers['x-goog-hash']);
  if (problem !== undefined) throw corrupt(problem);
  return { generation, updated, size };
}

/** A composed object has no md5; every object has a crc32c. */
function hashProblem(bytes: Buffer, header: string | undefined): string | undefined {
  const hashes = new Map(
    (header ?? '').split(',').map((pair) => {
      const [kind = '', ...value] = pair.trim().split('=');
      return [kind, value.join('=')] as const;
    }),
  );
  const md5 = hashes.get('md5');
  const crc32c = hashes.get('crc32c');
  if (md5 !== undefined) {
    return createHash('md5').update(bytes).digest('base64') === md5 ? undefined : 'its md5 is not the object’s';
  }
  if (crc32c === undefined) return 'the answer has no checksum';
  const own = new CRC32C();
  own.update(bytes);
  return own.validate(crc32c) ? undefined : 'its crc32c is not the object’s';
}

/**
 * When an object was written, in milliseconds. A body comes with whole seconds only (`Last-Modified`); generations of GCS
 * are microseconds since 1970, though nothing promises it. So: the generation's time where it agrees with the second that
 * was told, else that second; the same for lists and metadata (D2).
 */
export function updatedMsOf(generation: string, toldMs: number): number {
  const secondMs = Math.floor(toldMs / 1000) * 1000;
  const generationMs = Math.floor(Number(generation) / 1000);
  return Math.abs(generationMs - secondMs) <= 5_000 ? generationMs : secondMs;
}
