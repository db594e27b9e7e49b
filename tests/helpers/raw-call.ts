/** A gRPC call made by hand over HTTP/2, so that a test can break every rule of it. */
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';

export interface RawEnd {
  /** As gRPC's trailers say; -1 when the stream was reset without them. */
  readonly status: number;
  readonly message: string;
}

export class RawCall implements AsyncDisposable {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  /** How the peer ended the call. */
  readonly ended: Promise<RawEnd>;

  constructor(address: string, path: string, token: string) {
    this.session = connect(`http://${address}`);
    this.session.on('error', () => {});
    this.stream = this.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(token !== '' && { authorization: `Bearer ${token}` }),
    });
    this.ended = this.#end();
    this.stream.resume();
  }

  /** One message with the header that gRPC puts before it; `claimed` is the length that the header says. */
  send(message: Uint8Array, claimed = message.length): void {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(claimed, 1);
    this.write(Buffer.concat([header, message]));
  }

  write(bytes: Uint8Array): void {
    if (!this.stream.destroyed) this.stream.write(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.destroyed) return;
    const closed = once(this.session, 'close');
    this.session.destroy();
    await closed;
  }

  #end(): Promise<RawEnd> {
    const { promise, resolve } = Promise.withResolvers<RawEnd>();
    const read = (headers: NodeJS.Dict<string | string[]>): void => {
      if (headers['grpc-status'] === undefined) return;
      resolve({
        status: Number(headers['grpc-status']),
        message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
      });
    };
    this.stream.on('response', read);
    this.stream.on('trailers', read);
    this.stream.on('error', () => resolve({ status: -1, message: 'reset' }));
    this.stream.on('close', () => resolve({ status: -1, message: 'closed' }));
    return promise;
  }
}
