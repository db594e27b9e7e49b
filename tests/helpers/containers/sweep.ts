/** Finds and removes what a test run left in the engine. Only what carries our label is ever touched. */
import { existsSync } from 'node:fs';

import { getContainerRuntimeClient } from 'testcontainers';

import { RUN_LABEL } from './engine.ts';

export interface Leftover {
  readonly kind: 'container' | 'network';
  readonly id: string;
  readonly name: string;
  /** The test run that made it. */
  readonly run: string;
}

/** Everything with our label, of any test run. */
async function labelled(): Promise<Leftover[]> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const filters = { label: [RUN_LABEL] };
  const containers = await dockerode.listContainers({ all: true, filters });
  const networks = await dockerode.listNetworks({ filters });
  return [
    ...containers.map(({ Id, Names, Labels }) => ({
      kind: 'container' as const,
      id: Id,
      name: Names[0] ?? Id,
      run: Labels[RUN_LABEL] ?? '',
    })),
    ...networks.map(({ Id, Name, Labels }) => ({
      kind: 'network' as const,
      id: Id,
      name: Name,
      run: Labels?.[RUN_LABEL] ?? '',
    })),
  ];
}

/** Removes what test runs left whose process is gone. */
export async function sweepDeadRuns(): Promise<void> {
  await remove((await labelled()).filter(({ run }) => !existsSync(`/proc/${run}`)));
}

/** Removes what is there of `run`, and says what that was. */
export async function sweepRun(run: string): Promise<readonly Leftover[]> {
  const mine = (await labelled()).filter((leftover) => leftover.run === run);
  await remove(mine);
  return mine;
}

/** Containers first: a network with containers in it cannot go. */
async function remove(leftovers: readonly Leftover[]): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  for (const { kind, id } of leftovers) {
    if (kind === 'container') await dockerode.getContainer(id).remove({ force: true, v: true }).catch(ignoreGone);
  }
  for (const { kind, id } of leftovers) {
    if (kind === 'network') await dockerode.getNetwork(id).remove().catch(ignoreGone);
  }
}

function ignoreGone(error: unknown): void {
  if ((error as { statusCode?: number }).statusCode !== 404) throw error;
}
