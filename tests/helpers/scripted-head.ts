/** A head without a will of its own: real sessions on a real port, whose events are kept and whose orders the test gives. */
import { randomBytes } from 'node:crypto';

import { Server } from '@grpc/grpc-js';

import { HeldState, NodeServiceService, Outcome, type TaskEnded } from '../../src/gen/skein/v1/node.ts';
import type { Event, NodeListener, NodeSession, Order } from '../../src/head/node-session.ts';
import { NodeSessions } from '../../src/head/node-sessions.ts';
import { CHANNEL_OPTIONS } from '../../src/wire/channel.ts';
import { duplex, tokenGuard } from '../../src/wire/handlers.ts';
import { serverCredentials, type Security } from '../../src/wire/security.ts';
import { waitUntil } from './wait-until.ts';

type ValueOf<Kind extends Event['$case']> = Extract<Event, { $case: Kind }>['value'];

export interface HeardEvent {
  readonly node: string;
  readonly event: Event;
}

export class ScriptedHead implements AsyncDisposable {
  readonly security: Security;
  readonly heard: HeardEvent[] = [];
  readonly #server = new Server(CHANNEL_OPTIONS);
  readonly sessions: NodeSessions;
  address = '';

  private constructor(security: Security, headEpoch: number) {
    this.security = security;
    const listener: NodeListener = {
      joined: () => {},
      cut: () => {},
      resumed: () => {},
      event: ({ node }: NodeSession, event: Event) => void this.heard.push({ node, event }),
      welcome: () => ({ headEpoch, storeUrl: '', lostAfterMs: 0 }),
    };
    this.sessions = new NodeSessions(listener);
  }

  /** @param port 0: any free one */
  static async start(options: { port?: number; security?: Security; epoch?: number } = {}): Promise<ScriptedHead> {
    const security = options.security ?? { token: randomBytes(8).toString('hex') };
    const head = new ScriptedHead(security, options.epoch ?? 1);
    head.#server.addService(NodeServiceService, {
      link: duplex(tokenGuard(security.token), (stream) => head.sessions.serve(stream)),
    });
    const port = await new Promise<number>((resolve, reject) => {
      head.#server.bindAsync(`127.0.0.1:${options.port ?? 0}`, serverCredentials(security), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    head.address = `127.0.0.1:${port}`;
    return head;
  }

  get port(): number {
    return Number(this.address.split(':')[1]);
  }

  send(node: string, order: Order): void {
    const session = this.sessions.get(node);
    if (!session) throw new Error(`no session of ${node}`);
    session.send(order);
  }

  /** Events of that kind, of that node or of any. */
  of<Kind extends Event['$case']>(kind: Kind, node?: string): ValueOf<Kind>[] {
    return this.heard
      .filter((heard) => heard.event.$case === kind && (node === undefined || node === heard.node))
      .map(({ event }) => event.value as ValueOf<Kind>);
  }

  /** The ends of tasks by id: `ok`, `returned late` … in their order. */
  ends(node?: string): Record<string, string[]> {
    const ends: Record<string, string[]> = {};
    for (const ended of this.of('taskEnded', node)) (ends[ended.instanceId] ??= []).push(endText(ended));
    return ends;
  }

  /** What the last inventory of the node said: `id attempt state`. */
  inventory(node: string): string[] {
    const held = this.of('inventory', node).at(-1)?.tasks ?? [];
    return held.map(({ instanceId, attempt, state }) => `${instanceId} ${attempt} ${nameIn(HeldState, state)}`).sort();
  }

  async openRun(node: string, runId: string): Promise<void> {
    const before = this.of('runOpened', node).length;
    this.send(node, { $case: 'openRun', value: { runId, secrets: {} } });
    await waitUntil(
      `${runId} is open at ${node}: ${this.of('runFailed', node).at(-1)?.error ?? ''}`,
      () => this.of('runOpened', node).length > before,
    );
  }

  batch(
    node: string,
    runId: string,
    ids: readonly string[],
    options: { attempt?: number; grantEpoch?: number; reference?: { runId: string; shard: string } } = {},
  ): void {
    const { attempt = 1, grantEpoch = 0, reference } = options;
    const database = ids[0]!.slice(0, ids[0]!.lastIndexOf('_'));
    const tasks = ids.map((instanceId) => ({ instanceId, attempt }));
    this.send(node, { $case: 'batch', value: { runId, database, tasks, grantEpoch, reference } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

function endText({ outcome, isLate, isDuplicate }: TaskEnded): string {
  return `${nameIn(Outcome, outcome).toLowerCase()}${isLate ? ' late' : ''}${isDuplicate ? ' duplicate' : ''}`;
}

function nameIn(names: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(names).find(([, each]) => each === value)?.[0] ?? String(value);
}
