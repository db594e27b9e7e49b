/** Answers in the shape of GCS's JSON API: resources of objects and buckets, and Google's error bodies. */
import type { GcsBucket, Refused, Stored } from './bucket.ts';

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export function jsonAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return { status, body, headers: { 'content-type': 'application/json; charset=UTF-8', ...headers } };
}

export function googleError(status: number, reason: string, message: string): Answer {
  return jsonAnswer(status, {
    error: { code: status, message, errors: [{ message, domain: 'global', reason }] },
  });
}

export const noSuchBucket = (): Answer => googleError(404, 'notFound', 'The specified bucket does not exist.');

/** A body that was asked for with `alt=media` gets its errors as text, as from GCS. */
export function refusal(error: Refused, bucket: string, name: string, isMedia: boolean): Answer {
  const { why } = error;
  if (typeof why !== 'string') return googleError(400, 'invalid', why.badHash);
  switch (why) {
    case 'absent': {
      const message = `No such object: ${bucket}/${name}`;
      if (!isMedia) return googleError(404, 'notFound', message);
      return { status: 404, body: Buffer.from(message), headers: { 'content-type': 'text/html; charset=UTF-8' } };
    }
    case 'precondition':
      return googleError(412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.');
    case 'held':
      return googleError(
        403,
        'objectUnderActiveHold',
        `Object '${bucket}/${name}' is under active Temporary hold and cannot be deleted, overwritten or archived until hold is removed.`,
      );
    case 'not-modified':
      return { status: 304, body: Buffer.alloc(0) };
    case 'bad-name':
      return googleError(400, 'invalid', `Invalid object name: ${JSON.stringify(name.slice(0, 40))}`);
  }
}

export function objectResource(bucket: string, stored: Stored): Record<string, unknown> {
  const time = new Date(stored.updatedMs).toISOString();
  return {
    kind: 'storage#object',
    id: `${bucket}/${stored.name}/${stored.generation}`,
    name: stored.name,
    bucket,
    generation: stored.generation,
    metageneration: '1',
    contentType: stored.contentType,
    storageClass: 'STANDARD',
    size: String(stored.bytes.byteLength),
    md5Hash: stored.md5Hash,
    crc32c: stored.crc32c,
    etag: Buffer.from(stored.generation).toString('base64'),
    timeCreated: time,
    updated: time,
    ...(stored.temporaryHold !== undefined && { temporaryHold: stored.temporaryHold }),
  };
}

export function bucketResource(bucket: GcsBucket): Record<string, unknown> {
  return {
    kind: 'storage#bucket',
    id: bucket.name,
    name: bucket.name,
    location: 'US',
    storageClass: 'STANDARD',
    ...bucket.resource,
    metageneration: String(bucket.metageneration),
  };
}

/** The body of an object, or of the part that `range` (`bytes=2-4`, `bytes=2-`) asks for. */
export function mediaAnswer(stored: Stored, range: string | undefined): Answer {
  const size = stored.bytes.byteLength;
  const headers: Record<string, string> = {
    'content-type': stored.contentType,
    'last-modified': new Date(stored.updatedMs).toUTCString(),
    'x-goog-generation': stored.generation,
    'x-goog-metageneration': '1',
    'x-goog-hash': `crc32c=${stored.crc32c}${stored.md5Hash && `,md5=${stored.md5Hash}`}`,
    'x-goog-stored-content-encoding': 'identity',
    'x-goog-stored-content-length': String(size),
    'accept-ranges': 'bytes',
  };
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (asked === null) return { status: 200, headers, body: stored.bytes };
  const start = Number(asked[1]);
  const end = Math.min(size, asked[2] === '' ? size : Number(asked[2]) + 1);
  if (start >= size) {
    return { status: 416, headers: { 'content-range': `bytes */${size}` }, body: Buffer.from('InvalidRange') };
  }
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${start}-${end - 1}/${size}` },
    body: stored.bytes.subarray(start, end),
  };
}
