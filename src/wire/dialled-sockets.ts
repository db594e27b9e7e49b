/**
 * Credentials that remember the sockets of their channel, so that closing it closes them. grpc-js 1.14.7 forgets a socket
 * whose peer accepts and then says nothing (a frozen head): each dial would leave one open for ever (tried).
 */
import type { Socket } from 'node:net';

import { ChannelCredentials } from '@grpc/grpc-js';

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;

export class DialledSockets extends ChannelCredentials implements Disposable {
  readonly #inner: ChannelCredentials;
  readonly #sockets = new Set<Socket>();
  #isClosed = false;

  /** @param inner what says whether and how TLS is spoken */
  constructor(inner: ChannelCredentials) {
    super();
    this.#inner = inner;
  }

  override _isSecure(): boolean {
    return this.#inner._isSecure();
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...args: Parameters<ChannelCredentials['_createSecureConnector']>): Connector {
    const connector = this.#inner._createSecureConnector(...args);
    return {
      connect: (socket) => {
        this.#remember(socket);
        return connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }

  /** Call it after the channel was closed. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #remember(socket: Socket): void {
    if (this.#isClosed) return void socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
