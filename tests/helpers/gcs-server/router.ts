/**
 * What a request of GCS's JSON API asks for: which operation on which name, and the work that answers it.
 *
 * Not here: sockets and faults (`server.ts`), what a bucket does (`bucket.ts`).
 */
import type { IncomingMessage } from 'node:http';

import {
  bucketResource,
  googleError,
  jsonAnswer,
  mediaAnswer,
  noSuchBucket,
  objectResource,
  refusal,
  type Answer,
} from './answers.ts';
import { Refused, type Conditions, type GcsBucket, type UploadFacts } from './bucket.ts';
import type { ServerOperation } from './faults.ts';
import { parseMultipart, UploadSessions } from './uploads.ts';

export interface Request {
  readonly operation: ServerOperation;
  readonly name: string;
  readonly isMedia: boolean;
  /** Does the work. Called once the body is there. */
  readonly work: (body: Buffer) => Answer;
}

/** Whose buckets, and the address that sessions are sent to. */
interface Site {
  readonly url: string;
  readonly buckets: ReadonlyMap<string, GcsBucket>;
  /** The bucket of this name, made if it is not there. */
  bucket(name: string): GcsBucket;
}

export class Router {
  readonly #site: Site;
  readonly #sessions = new UploadSessions();

  constructor(site: Site) {
    this.#site = site;
  }

  route(message: IncomingMessage, url: URL): Request {
    const method = message.method ?? 'GET';
    const plain = (operation: ServerOperation, name: string, work: Request['work'], isMedia = false): Request => ({
      operation,
      name,
      work,
      isMedia,
    });
    const session = url.searchParams.get('upload_id');
    if (session !== null && method === 'PUT') {
      const name = url.searchParams.get('name') ?? '';
      return plain('session', name, (body) => this.#sessions.put(session, message.headers['content-range'], body));
    }
    const path = /^(\/upload)?\/storage\/v1\/b(?:\/([^/]+)(?:\/o(?:\/([^/]+))?)?)?$/.exec(url.pathname);
    if (path === null) return plain('bucket', url.pathname, () => googleError(404, 'notFound', 'Not Found'));
    const [, upload, bucketName = '', encoded] = path;
    const query = url.searchParams;
    if (upload !== undefined) {
      const name = query.get('name') ?? '';
      const operation = query.get('ifGenerationMatch') === '0' ? 'create' : 'replace';
      return plain(operation, name, (body) => this.#upload(bucketName, name, query, message, body));
    }
    const isList = url.pathname.endsWith('/o');
    if (!isList && encoded === undefined) {
      return plain('bucket', bucketName, (body) => this.#bucketCall(method, bucketName, query, body));
    }
    const bucket = this.#site.buckets.get(bucketName);
    if (isList) {
      return plain('list', query.get('prefix') ?? '', () => (bucket ? listAnswer(bucket, query) : noSuchBucket()));
    }
    const name = decodeURIComponent(encoded ?? '');
    const conditions = conditionsOf(query);
    if (method === 'DELETE') {
      return plain('remove', name, () => {
        if (bucket === undefined) return noSuchBucket();
        bucket.remove(name, conditions);
        return { status: 204, body: Buffer.alloc(0) };
      });
    }
    if (method === 'PATCH') {
      return plain('patch', name, (body) => {
        if (bucket === undefined) return noSuchBucket();
        const patched = bucket.patch(name, conditions, JSON.parse(body.toString()) as { temporaryHold?: boolean });
        return jsonAnswer(200, objectResource(bucketName, patched));
      });
    }
    const isMedia = query.get('alt') === 'media';
    const work = (): Answer => {
      if (bucket === undefined) return noSuchBucket();
      const stored = bucket.get(name, conditions);
      return isMedia ? mediaAnswer(stored, message.headers.range) : jsonAnswer(200, objectResource(bucketName, stored));
    };
    return plain(isMedia ? 'read' : 'stat', name, work, isMedia);
  }

  #upload(bucketName: string, name: string, query: URLSearchParams, message: IncomingMessage, body: Buffer): Answer {
    const bucket = this.#site.buckets.get(bucketName);
    if (bucket === undefined) return noSuchBucket();
    const conditions = conditionsOf(query);
    const contentType = message.headers['content-type'] ?? '';
    switch (query.get('uploadType')) {
      case 'resumable': {
        const facts = body.byteLength > 0 ? (JSON.parse(body.toString()) as UploadFacts) : {};
        const id = this.#sessions.start(bucket, name, conditions, facts);
        const location = `${this.#site.url}/upload/storage/v1/b/${bucketName}/o?upload_id=${id}&name=${encodeURIComponent(name)}`;
        return { status: 200, body: Buffer.alloc(0), headers: { location } };
      }
      case 'multipart': {
        const { facts, bytes } = parseMultipart(contentType, body);
        return jsonAnswer(200, objectResource(bucketName, bucket.put(name, bytes, conditions, facts)));
      }
      default:
        return jsonAnswer(200, objectResource(bucketName, bucket.put(name, body, conditions, { contentType })));
    }
  }

  #bucketCall(method: string, name: string, query: URLSearchParams, body: Buffer): Answer {
    if (name === '' && method === 'POST') {
      const asked = (JSON.parse(body.toString()) as { name: string }).name;
      if (this.#site.buckets.has(asked))
        return googleError(409, 'conflict', 'The requested bucket name is not available.');
      return jsonAnswer(200, bucketResource(this.#site.bucket(asked)));
    }
    const bucket = this.#site.buckets.get(name);
    if (bucket === undefined) return noSuchBucket();
    if (method === 'PATCH') {
      const expected = query.get('ifMetagenerationMatch');
      if (expected !== null && expected !== String(bucket.metageneration)) {
        return refusal(new Refused('precondition'), name, '', false);
      }
      Object.assign(bucket.resource, JSON.parse(body.toString()));
      bucket.metageneration += 1;
    }
    return jsonAnswer(200, bucketResource(bucket));
  }
}

function conditionsOf(query: URLSearchParams): Conditions {
  const of = (key: string): string | undefined => query.get(key) ?? undefined;
  return {
    ifGenerationMatch: of('ifGenerationMatch'),
    ifGenerationNotMatch: of('ifGenerationNotMatch'),
    generation: of('generation'),
  };
}

function listAnswer(bucket: GcsBucket, query: URLSearchParams): Answer {
  const of = (key: string): string | undefined => query.get(key) ?? undefined;
  const { items, prefixes, nextPageToken } = bucket.list({
    prefix: of('prefix'),
    delimiter: of('delimiter'),
    startOffset: of('startOffset'),
    endOffset: of('endOffset'),
    pageToken: of('pageToken'),
    maxResults: Number(of('maxResults') ?? 1000),
  });
  return jsonAnswer(200, {
    kind: 'storage#objects',
    ...(items.length > 0 && { items: items.map((stored) => objectResource(bucket.name, stored)) }),
    ...(prefixes.length > 0 && { prefixes }),
    ...(nextPageToken !== undefined && { nextPageToken }),
  });
}
