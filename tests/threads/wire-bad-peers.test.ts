import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';

import { LinkRequest, NodeServiceService } from '../../src/gen/skein/v1/node.ts';
import { RunServiceService, WatchRunResponse } from '../../src/gen/skein/v1/run.ts';
import { VERSION } from '../../src/kernel/version.ts';
import { HeadClient } from '../../src/wire/head-client.ts';
import type { Security } from '../../src/wire/security.ts';
import { CertificateAuthority } from '../helpers/certificates.ts';
import { checkLeaksAfterEach } from '../helpers/leaks.ts';
import { RawCall } from '../helpers/raw-call.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { startWireHead, TOKEN, type WireHead } from '../helpers/wire-head.ts';
import { startWireNode, type WireNode } from '../helpers/wire-node.ts';

const LINK = NodeServiceService.link.path;
const DRAIN = RunServiceService.drainRun.path;

/** What a client and a node are told by `address`. They may say different things of one peer only where it is asked differently. */
async function askBoth(address: string, security: Security): Promise<readonly [string, string]> {
  const node = startWireNode({ address, security }).then(
    async (joined) => {
      await joined.stop();
      return 'joined';
    },
    (error: Error) => `${(error as { code?: string }).code}: ${error.message.replace(address, 'HEAD')}`,
  );
  return [await askAsClient(address, security), await node];
}

async function askAsClient(address: string, security: Security): Promise<string> {
  using client = new HeadClient(address, security);
  return await client.drainRun('r1', 0).then(
    () => 'answered',
    (error: Error) => `${(error as { code?: string }).code}: ${error.message.replace(address, 'HEAD')}`,
  );
}

async function listening(server: Server): Promise<{ address: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** An order that `head` sends now comes to `node`. */
async function expectAlive(head: WireHead, node: WireNode): Promise<void> {
  const count = node.orders.length;
  head.sessions.get('n1')?.send({ $case: 'openRun', value: { runId: `r${count}`, secrets: {} } });
  await waitUntil('the good node is served', () => node.orders.length === count + 1);
}

describe('whoever dials something that is no head, or not in the way it wants,', () => {
  checkLeaksAfterEach();

  it('is told that nothing listens there', async () => {
    const text =
      'UNAVAILABLE: head HEAD: nothing listens there: start it with `skein start --head`, or give its --address';
    expect(await askBoth('127.0.0.1:1', { token: TOKEN })).toEqual([text, text]);
  });

  it('is told that it is the port of another product', async () => {
    await using web = await listening(createHttpServer((_, response) => void response.end('hello')));
    await using ssh = await listening(createServer((socket) => void socket.write('SSH-2.0-OpenSSH_9.2p1\r\n')));
    const text = 'PREFLIGHT: head HEAD: it does not speak gRPC: is that the port of another product?';
    expect(await askBoth(web.address, { token: TOKEN })).toEqual([text, text]);
    expect(await askBoth(ssh.address, { token: TOKEN })).toEqual([text, text]);
  });

  it('is told that it is silent, and leaves no socket with it', async () => {
    await using silent = await listening(createServer((socket) => void socket.resume()));
    await expect(startWireNode({ address: silent.address, welcomeMs: 200 })).rejects.toThrow(
      `head ${silent.address}: no welcome within 200 ms: it hangs, or that is the port of another product`,
    );
  });

  it('is told what token it lacks; health needs none', async () => {
    using head = await startWireHead();
    const see = 'see --token-file, SKEIN_TOKEN_FILE and SKEIN_TOKEN';
    const without = `UNAUTHENTICATED: head HEAD: it wants a token, and none was given: ${see}`;
    const wrong = `UNAUTHENTICATED: head HEAD: it does not take the token that was given: ${see}`;
    expect(await askBoth(head.address, { token: '' })).toEqual([without, without]);
    expect(await askBoth(head.address, { token: 'another' })).toEqual([wrong, wrong]);
    using client = new HeadClient(head.address, { token: '' });
    expect(await client.health()).toBe(VERSION);
    await expect(client.describe()).rejects.toThrow('it wants a token');
  });

  it('is told both versions when they cannot work together (P-15)', async () => {
    using head = await startWireHead({ version: '1.4.0' });
    using client = new HeadClient(head.address, { token: TOKEN });
    await expect(client.describe()).rejects.toThrow(
      `head ${head.address} is of version 1.4.0 and this side of version ${VERSION}: they cannot work together`,
    );
  });

  it('is told that the port it wants to listen on is taken', async () => {
    using head = await startWireHead();
    await expect(startWireHead({ port: head.port })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${head.port}: the port is in use, by another head or another product: give --port`,
    );
  });

  it('is told what is wrong with TLS on either side', async () => {
    const folder = await temporaryFolder();
    const [ours, theirs] = await Promise.all(['ours', 'theirs'].map((name) => CertificateAuthority.make(folder, name)));
    if (!ours || !theirs) throw new Error('no CA');
    const server = await ours.sign('head', 'IP:127.0.0.1');
    const other = await ours.sign('elsewhere', 'DNS:elsewhere');
    const member = await ours.sign('node', 'DNS:n1');
    const stranger = await theirs.sign('stranger', 'DNS:n1');
    const token = TOKEN;
    using plain = await startWireHead();
    using tls = await startWireHead({ security: { token, tls: server } });
    using mutual = await startWireHead({ security: { token, tls: { ca: ours.cert, ...server } } });
    using misnamed = await startWireHead({ security: { token, tls: other } });

    const both = async (head: WireHead, tlsFiles?: Security['tls']): Promise<string> => {
      const [asClient, asNode] = await askBoth(head.address, { token, tls: tlsFiles });
      return asNode === 'joined' ? `${asClient}, ${asNode}` : asNode === asClient ? asNode : `${asClient} / ${asNode}`;
    };
    expect(await both(tls, { ca: ours.cert })).toBe('answered, joined');
    expect(await both(mutual, { ca: ours.cert, ...member })).toBe('answered, joined');
    expect(await both(tls)).toBe(
      'UNAVAILABLE: head HEAD: it closes every connection: it wants TLS (give --tls-ca), or it is the port of another product',
    );
    expect(await both(plain, { ca: ours.cert })).toBe(
      'PREFLIGHT: head HEAD: it does not speak TLS: leave out --tls-ca, --tls-cert and --tls-key, or start the head with them',
    );
    expect(await both(tls, { ca: theirs.cert })).toBe(
      'PREFLIGHT: head HEAD: its certificate is not signed by a CA that is trusted here: give that CA with --tls-ca',
    );
    expect(await both(misnamed, { ca: ours.cert })).toBe(
      'PREFLIGHT: head HEAD: its certificate is made out to another name than the one that was dialled',
    );
    expect(await both(mutual, { ca: ours.cert })).toBe(
      'PREFLIGHT: head HEAD: it asks for a certificate: give --tls-cert and --tls-key',
    );
    expect(await both(mutual, { ca: ours.cert, ...stranger })).toBe(
      'UNAVAILABLE: head HEAD: it closes every connection: it does not take our certificate (--tls-cert), or it is the port of another product',
    );
    expect(() => new HeadClient(tls.address, { token, tls: { cert: server.cert } })).toThrow(
      'TLS: --tls-cert and --tls-key go together, and only one of them is given',
    );
    expect(() => new HeadClient(tls.address, { token, tls: { cert: server.cert, key: other.key } })).toThrow(
      /^TLS: --tls-cert and --tls-key cannot be used: .*key values mismatch/,
    );
    expect(() => new HeadClient(tls.address, { token, tls: { ca: Buffer.from('no PEM') } })).toThrow(
      'TLS: --tls-ca holds no certificate in PEM form',
    );
  });
});

describe('a head', () => {
  checkLeaksAfterEach();

  const hello = (node: string) =>
    LinkRequest.encode({
      sequence: 0,
      acknowledged: 0,
      events: [
        {
          event: {
            $case: 'hello',
            value: {
              node,
              bootId: 'b',
              version: VERSION,
              actors: 1,
              dataDirId: node,
              sessionId: '',
              lastReceived: 0,
              window: 8,
              refusesUserCode: false,
            },
          },
        },
      ],
    }).finish();

  const frames: readonly (readonly [string, (call: RawCall) => void, number, string | RegExp])[] = [
    ['garbage instead of a hello', (call) => call.send(Buffer.alloc(40, 0xff)), status.INTERNAL, /deserializ/i],
    [
      'an event before its hello',
      (call) => call.send(LinkRequest.encode({ sequence: 1, events: [], acknowledged: 0 }).finish()),
      status.INVALID_ARGUMENT,
      'the first frame on a link is a hello',
    ],
    [
      'a name that would leave the root',
      (call) => call.send(hello('../etc')),
      status.INVALID_ARGUMENT,
      /^node: "\.\.\/etc" is no legal name/,
    ],
    [
      'a frame out of turn',
      (call) => {
        call.send(hello('bad'));
        call.send(LinkRequest.encode({ sequence: 7, events: [], acknowledged: 0 }).finish());
      },
      status.DATA_LOSS,
      'frame 7 came after frame 0',
    ],
    [
      'an acknowledgement of what was never sent',
      (call) => {
        call.send(hello('bad'));
        call.send(LinkRequest.encode({ sequence: 0, events: [], acknowledged: 9 }).finish());
      },
      status.DATA_LOSS,
      'frame 9 is acknowledged, and 0 was the last one sent',
    ],
    [
      'a message above the limit',
      (call) => call.send(Buffer.alloc(100), 9 * 1024 * 1024),
      status.RESOURCE_EXHAUSTED,
      /larger than max/,
    ],
  ];
  it.each(frames)(
    'ends the stream of a node that sends %s, says why, and serves the others',
    async (_, deed, code, text) => {
      using head = await startWireHead();
      await using node = await startWireNode({ address: head.address });
      await using call = new RawCall(head.address, LINK, TOKEN);
      deed(call);
      const { status: got, message } = await call.ended;
      expect([got, message]).toEqual([code, typeof text === 'string' ? text : expect.stringMatching(text)]);
      await expectAlive(head, node);
    },
  );

  it('ends a stream that says no hello', async () => {
    using head = await startWireHead({ helloMs: 100 });
    await using call = new RawCall(head.address, LINK, TOKEN);
    expect(await call.ended).toEqual({ status: status.DEADLINE_EXCEEDED, message: 'no hello within 100 ms' });
    expect(head.story).toEqual([expect.stringMatching(/^refused 127\.0\.0\.1:\d+: no hello within 100 ms$/)]);
  });

  it('ends a request that dribbles in, and one whose caller has no token before it reads any of it', async () => {
    using head = await startWireHead({ requestMs: 200 });
    await using slow = new RawCall(head.address, DRAIN, TOKEN);
    slow.write(Buffer.from([0, 0, 0, 1]));
    expect(await slow.ended).toEqual({
      status: status.DEADLINE_EXCEEDED,
      message: 'the request did not end within 200 ms',
    });
    await using stranger = new RawCall(head.address, DRAIN, '');
    expect((await stranger.ended).status).toBe(status.UNAUTHENTICATED);
    expect(head.story).toEqual([]);
  });

  it('survives bytes of no protocol at all', async () => {
    using head = await startWireHead();
    await using node = await startWireNode({ address: head.address });
    for (let round = 0; round < 20; round += 1) {
      const socket = connect(head.port, '127.0.0.1').on('error', () => {});
      const closed = once(socket, 'close');
      socket.end(randomBytes(2_000));
      socket.resume();
      await closed;
    }
    await expectAlive(head, node);
  });

  it('serves others beside 1,000 idle connections, and drops these when they show no sign of life', async () => {
    using head = await startWireHead({ keepalive: { timeMs: 1_500, timeoutMs: 500 } });
    await using node = await startWireNode({ address: head.address });
    const rssBefore = process.memoryUsage.rss();
    let open = 0;
    for (let index = 0; index < 1_000; index += 1) {
      const socket = connect(head.port, '127.0.0.1').on('error', () => {});
      socket.on('connect', () => (open += 1));
      socket.on('close', () => (open -= 1)).resume();
    }
    await waitUntil('all are there', () => open === 1_000);
    await expectAlive(head, node);
    await waitUntil('all were dropped', () => open === 0);
    // Both ends of 1,000 sockets live in this process.
    expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(80e6);
    await expectAlive(head, node);
  });

  it('keeps no more than 64 MiB for a node that takes nothing in, and gives it a new session after that', async () => {
    using head = await startWireHead();
    await using call = new RawCall(head.address, LINK, TOKEN);
    call.send(hello('sleeper'));
    await waitUntil('it joined', () => head.story.length === 1);
    call.stream.pause();
    const session = head.session();
    const database = 'x'.repeat(1_000_000);
    for (let index = 0; index < 80; index += 1) {
      session.send({ $case: 'steal', value: { runId: 'r1', database, count: index } });
    }
    expect(session.isClosed).toBe(true);
    call.stream.resume();
    expect(await call.ended).toMatchObject({
      status: status.UNAVAILABLE,
      message: expect.stringMatching(
        /^session ended: node sleeper took nothing in while 6[78]\d{6} bytes gathered for it$/,
      ),
    });
  });

  it('waits with progress for a client that reads none of it', async () => {
    let made = 0;
    async function* progress(_: string, signal: AbortSignal): AsyncGenerator<WatchRunResponse> {
      for (; !signal.aborted; made += 1) yield WatchRunResponse.fromPartial({ error: 'x'.repeat(10_000) });
    }
    using head = await startWireHead({ progress });
    await using node = await startWireNode({ address: head.address });
    await using call = new RawCall(head.address, RunServiceService.watchRun.path, TOKEN);
    call.stream.pause();
    call.send(new Uint8Array(0));
    call.stream.end();
    await waitUntil('its buffers are full', () => made > 5);
    await expectAlive(head, node);
    await expectAlive(head, node);
    expect(made).toBeLessThan(60);
    call.stream.resume();
    await waitUntil('it goes on', () => made > 200);
  });

  it('refuses an order that is too large before it is sent', async () => {
    using head = await startWireHead();
    await using node = await startWireNode({ address: head.address });
    const tasks = Array.from({ length: 200_000 }, (_, index) => ({
      instanceId: `${'i'.repeat(60)}${index}`,
      attempt: 1,
    }));
    const batch = { runId: 'r1', database: 'd', tasks, grantEpoch: 0, reference: undefined };
    expect(() => head.session().send({ $case: 'batch', value: batch })).toThrow(
      /^order batch for node n1 of \d+ bytes does not fit on the wire \(at most 8388544\)$/,
    );
    await expectAlive(head, node);
  });
});
