/** A node that has nothing but its link to the head, and a record of what it was told. */
import { VERSION } from '../../src/kernel/version.ts';
import { HeadLink, type HeadLinkOptions, type Order } from '../../src/node/head-link.ts';
import { TOKEN } from './wire-head.ts';

export interface WireNode extends AsyncDisposable {
  readonly link: HeadLink;
  readonly orders: Order[];
  /** `session new`, `session resumed`, `cut: why`, `dial failed: why`, `fatal: why`, in order. */
  readonly story: string[];
  stop(): Promise<void>;
}

export interface WireNodeOptions extends Partial<Omit<HeadLinkOptions, 'hello'>> {
  readonly address: string;
  readonly hello?: Partial<HeadLinkOptions['hello']>;
}

/** @throws what `HeadLink.open` throws */
export async function startWireNode(options: WireNodeOptions): Promise<WireNode> {
  const orders: Order[] = [];
  const story: string[] = [];
  const hello = { node: 'n1', bootId: 'boot-1', dataDirId: 'dir-1', version: VERSION, actors: 2, ...options.hello };
  let isFirst = true;
  let link: HeadLink | undefined;
  const open = HeadLink.open({
    security: { token: TOKEN },
    reconnect: true,
    connectTimeoutMs: 0,
    onOrder: (order) => void orders.push(order),
    onCut: (error) => void story.push(`cut: ${error?.message ?? 'in order'}`),
    onDialFailed: (error) => void story.push(`dial failed: ${error.message}`),
    onFatal: (error) => void story.push(`fatal: ${error.message}`),
    ...options,
    onSession(isNew, welcome) {
      story.push(`session ${isNew ? 'new' : 'resumed'}`);
      // As a daemon does: what it holds goes first into a session that the head knows nothing of.
      if (isNew && !isFirst)
        link?.send({
          $case: 'inventory',
          value: { tasks: [], openRuns: ['r1'], keyedRuns: [], hasMore: false, owedRuns: [] },
        });
      isFirst = false;
      options.onSession?.(isNew, welcome);
    },
    hello,
  });
  link = await open;
  const opened = link;
  const stop = (): Promise<void> => opened[Symbol.asyncDispose]();
  return { link, orders, story, stop, [Symbol.asyncDispose]: stop };
}
