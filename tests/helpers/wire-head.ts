/**
 * A head that has nothing but its sessions with nodes, and a run that says what the test lets it say: the real server, the real
 * guards, and a record of what it was told.
 */
import { NodeServiceService } from '../../src/gen/skein/v1/node.ts';
import { RunServiceService, type WatchRunResponse } from '../../src/gen/skein/v1/run.ts';
import type { Event, NodeListener, NodeSession } from '../../src/head/node-session.ts';
import { NodeSessions } from '../../src/head/node-sessions.ts';
import { VERSION } from '../../src/kernel/version.ts';
import type { Keepalive } from '../../src/wire/channel.ts';
import { duplex, serverStream, tokenGuard, unary, type StreamWriter } from '../../src/wire/handlers.ts';
import type { Security } from '../../src/wire/security.ts';
import { createServer, listen } from '../../src/wire/server.ts';

export const TOKEN = 'a-token-for-tests';
/** Sees a silent peer within 0.9 s; an answer may take as long as a crowded machine needs. */
export const QUICK: Keepalive = { timeMs: 400, timeoutMs: 500 };

export interface WireHeadOptions {
  readonly security?: Security;
  readonly keepalive?: Keepalive;
  /** Default: any free one. */
  readonly port?: number;
  readonly epoch?: number;
  readonly helloMs?: number;
  readonly requestMs?: number;
  readonly version?: string;
  /** What a client that follows a run gets; the stream ends with it. */
  progress?(runId: string, signal: AbortSignal): AsyncIterable<WatchRunResponse>;
  onEvent?(session: NodeSession, event: Event): void;
  onJoined?(session: NodeSession): void;
}

export interface WireHead extends Disposable {
  readonly address: string;
  readonly port: number;
  readonly sessions: NodeSessions;
  /** `joined n1`, `cut n1`, `resumed n1`, `refused n1: why`, in order. */
  readonly story: string[];
  /** The newest session. */
  session(): NodeSession;
  stop(): void;
}

export async function startWireHead(options: WireHeadOptions = {}): Promise<WireHead> {
  const { security = { token: TOKEN }, keepalive, port = 0, epoch = 1, helloMs, requestMs } = options;
  const { version = VERSION } = options;
  const story: string[] = [];
  let newest: NodeSession | undefined;
  const listener: NodeListener = {
    joined(session) {
      options.onJoined?.(session);
      newest = session;
      const boot = session.replaces && (session.replaces.bootId === session.bootId ? 'given up' : 'dead');
      story.push(`joined ${session.node}${boot ? `, its earlier self is ${boot}` : ''}`);
    },
    cut: (session) => void story.push(`cut ${session.node}, ${session.state}`),
    resumed: (session) => void story.push(`resumed ${session.node}`),
    event: (session, event) => options.onEvent?.(session, event),
    welcome: () => ({ headEpoch: epoch, storeUrl: 'file:///store', lostAfterMs: 0 }),
    refused: (node, error) => void story.push(`refused ${node}: ${error.message}`),
  };
  const sessions = new NodeSessions(listener, helloMs);
  const server = createServer({
    security,
    open: [RunServiceService.health.path],
    keepalive,
    ...(requestMs !== undefined && { requestMs }),
  });
  const guard = tokenGuard(security.token);
  server.addService(NodeServiceService, { link: duplex(guard, (stream) => sessions.serve(stream)) });
  server.addService(RunServiceService, {
    health: unary(
      () => {},
      () => ({ version }),
    ),
    describe: unary(guard, () => ({ version, storeUrl: 'file:///store', headId: 'h', bootId: 'b', epoch })),
    drainRun: unary(guard, () => {
      story.push('drained');
      return {};
    }),
    watchRun: serverStream(
      guard,
      async ({ runId }: { runId: string }, write: StreamWriter<WatchRunResponse>, signal) => {
        for await (const progress of options.progress?.(runId, signal) ?? []) await write(progress);
      },
    ),
  });
  const bound = await listen(server, '127.0.0.1', port, security);
  const stop = (): void => server.forceShutdown();
  return {
    address: `127.0.0.1:${bound}`,
    port: bound,
    sessions,
    story,
    session() {
      if (!newest) throw new Error('no node has joined');
      return newest;
    },
    stop,
    [Symbol.dispose]: stop,
  };
}
