/** The three ways to upload: the body alone, the body behind its metadata, and a session that takes it in pieces. */
import { randomUUID } from 'node:crypto';

import { jsonAnswer, objectResource, type Answer } from './answers.ts';
import type { Conditions, GcsBucket, Stored, UploadFacts } from './bucket.ts';

/** The two parts of a `multipart/related` body. */
export function parseMultipart(contentType: string, body: Buffer): { facts: UploadFacts; bytes: Buffer } {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error('a multipart upload without its boundary');
  const mark = `--${boundary}`;
  const secondAt = body.indexOf(mark, mark.length);
  const endAt = body.lastIndexOf(`\r\n${mark}--`);
  const afterHeaders = (from: number): number => body.indexOf('\r\n\r\n', from) + 4;
  const metadata = JSON.parse(body.subarray(afterHeaders(0), secondAt).toString()) as UploadFacts;
  const bodyAt = afterHeaders(secondAt);
  const type = /content-type: *([^\r\n]+)/i.exec(body.subarray(secondAt, bodyAt).toString())?.[1];
  if (endAt < bodyAt) throw new Error('a multipart upload that was cut');
  return { facts: { contentType: type, ...metadata }, bytes: body.subarray(bodyAt, endAt) };
}

interface Session {
  readonly bucket: GcsBucket;
  readonly name: string;
  readonly conditions: Conditions;
  readonly facts: UploadFacts;
  received: Buffer;
  done: Stored | undefined;
}

export class UploadSessions {
  readonly #sessions = new Map<string, Session>();

  /** @returns the id that the session's URL carries */
  start(bucket: GcsBucket, name: string, conditions: Conditions, facts: UploadFacts): string {
    bucket.checkWrite(name, conditions);
    const id = randomUUID();
    this.#sessions.set(id, { bucket, name, conditions, facts, received: Buffer.alloc(0), done: undefined });
    return id;
  }

  /** The next piece. `range` is its `Content-Range`: a piece, an open end, or a question how far it is. */
  put(id: string, range: string | undefined, piece: Buffer): Answer {
    const session = this.#sessions.get(id);
    if (session === undefined) return { status: 410, body: Buffer.from('no such session') };
    if (session.done !== undefined) return finished(session.bucket.name, session.done);
    const match = /^bytes (?:(\d+)-(\d+|\*)|\*)\/(\d+|\*)$/.exec(range ?? 'bytes 0-*/*');
    if (match === null) return { status: 400, body: Buffer.from('bad Content-Range') };
    const [, start, last, total] = match;
    if (start !== undefined) {
      if (Number(start) > session.received.byteLength) return { status: 503, body: Buffer.from('a piece is missing') };
      session.received = Buffer.concat([session.received.subarray(0, Number(start)), piece]);
    }
    const isWhole =
      (start !== undefined && last === '*') || (total !== '*' && session.received.byteLength === Number(total));
    if (!isWhole) {
      const end = session.received.byteLength - 1;
      return { status: 308, body: Buffer.alloc(0), headers: end < 0 ? {} : { range: `bytes=0-${end}` } };
    }
    session.done = session.bucket.put(session.name, session.received, session.conditions, session.facts);
    return finished(session.bucket.name, session.done);
  }
}

const finished = (bucket: string, stored: Stored): Answer => jsonAnswer(200, objectResource(bucket, stored));
