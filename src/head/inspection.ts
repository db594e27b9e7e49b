/**
 * What nodes see at this moment, asked for when somebody looks why things do not go on (V-04, P-04): each is asked, and whoever
 * does not answer in time stands in the findings with the reason.
 *
 * Invariants: I1 it ends within the time that was given, whatever nodes do. I2 a node that is silent is not asked: orders for
 * it would pile up. I3 nothing that is asked changes anything.
 */
import type { Inspected } from '../gen/skein/v1/node.ts';
import type { NodeFindings } from '../gen/skein/v1/run.ts';
import { MAX_MESSAGE_BYTES } from '../wire/channel.ts';
import type { NodeRecord, Roster } from './roster.ts';

export interface InspectionRequest {
  /** Last lines of each node's log, at most. */
  readonly logLines: number;
  /** How long nodes may take, milliseconds. */
  readonly waitMs: number;
}

/** Half of a message is for logs, shared by the nodes; a line of JSON needs some room besides its text. */
const LOG_BYTES = MAX_MESSAGE_BYTES / 4;
/** Of one node, however few there are. */
const NODE_LOG_BYTES = 256 * 1024;
export const MAX_LOG_LINES = 1_000;
const MAX_WAIT_MS = 20_000;

export class Inspections {
  readonly #roster: Roster;
  readonly #waiting = new Map<number, { readonly node: string; readonly tell: (answer: Inspected) => void }>();
  #lastId = 0;

  constructor(roster: Roster) {
    this.#roster = roster;
  }

  /** What every node that is known says, or why it says nothing. Never throws. */
  async ask({ logLines, waitMs }: InspectionRequest): Promise<NodeFindings[]> {
    const records = this.#roster.list();
    const logBytes = Math.min(NODE_LOG_BYTES, Math.floor(LOG_BYTES / Math.max(1, records.length)));
    const lines = Math.min(logLines, MAX_LOG_LINES);
    return Promise.all(records.map((record) => this.#one(record, lines, logBytes, Math.min(waitMs, MAX_WAIT_MS))));
  }

  /** A node has answered; one that comes too late tells nobody. */
  answered(node: string, answer: Inspected): void {
    const waiting = this.#waiting.get(answer.requestId);
    if (waiting?.node === node) waiting.tell(answer);
  }

  async #one(record: NodeRecord, logLines: number, logBytes: number, waitMs: number): Promise<NodeFindings> {
    const { name: node, bootId, dataDirId, session } = record;
    const findings = { node, bootId, dataDirId, failure: '', answer: undefined };
    if (!session) return { ...findings, failure: 'it has not dialled in since this head started' };
    if (session.state === 'silent') {
      return { ...findings, failure: `silent for ${(record.silentMs / 1000).toFixed(1)} s: not asked` };
    }
    const requestId = (this.#lastId = (this.#lastId % 0xffff_ffff) + 1);
    const { promise, resolve } = Promise.withResolvers<Inspected | undefined>();
    const timer = setTimeout(() => resolve(undefined), waitMs);
    this.#waiting.set(requestId, { node, tell: resolve });
    try {
      session.send({ $case: 'inspect', value: { requestId, logLines, logBytes } });
      const answer = await promise;
      return answer ? { ...findings, answer } : { ...findings, failure: `no answer within ${waitMs / 1000} s` };
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(requestId);
    }
  }
}
