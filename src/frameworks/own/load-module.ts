/**
 * Brings a user's bundle to life in an actor's thread: its bytes are what the manifest says, its stacks are in the lines
 * of its author's files, its default export makes a framework.
 *
 * Invariants: L1 nothing of a bundle is run before its digest was compared. L2 whatever the user's code throws while it is
 * loaded, made or set up is one SkeinError that says where in the user's files, the stack in its field `user_stack`.
 */
import { readFile } from 'node:fs/promises';
import { setSourceMapsSupport } from 'node:module';
import { pathToFileURL } from 'node:url';

import { isClass } from '../../kernel/class-shape.ts';
import { sha256 } from '../../kernel/digest.ts';
import { asError, SkeinError } from '../../kernel/errors.ts';
import type { OwnModule } from '../framework.ts';
import type { AgentSettings, OwnFramework } from './interface.ts';
import { userPlace, userStack } from './user-stack.ts';

/** A new instance of the framework in `module`. @throws SkeinError CORRUPT | INVALID_INPUT (L2) */
export async function loadOwnFramework(module: OwnModule, settings: AgentSettings): Promise<OwnFramework> {
  const { file } = module;
  await mustBe(module);
  setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });
  const namespace = await userCode(
    file,
    'loading it',
    () => import(pathToFileURL(module.modulePath).href) as Promise<{ default?: unknown }>,
  );
  const { default: exported } = namespace;
  if (typeof exported !== 'function') {
    throw new SkeinError('INVALID_INPUT', `${file}: its default export is neither a class nor a function`);
  }
  const made: unknown = await userCode(file, isClass(exported) ? 'its constructor' : 'its default export', async () =>
    isClass(exported)
      ? new (exported as unknown as new (settings: AgentSettings) => unknown)(settings)
      : await (exported as (settings: AgentSettings) => unknown)(settings),
  );
  if (typeof (made as Partial<OwnFramework> | null | undefined)?.runTask !== 'function') {
    throw new SkeinError('INVALID_INPUT', `${file}: what its default export makes has no runTask(task, context)`);
  }
  return made as OwnFramework;
}

/** Runs `code` of the user's while an actor comes to life. @throws SkeinError INVALID_INPUT (L2) */
export async function userCode<T>(file: string, what: string, code: () => Promise<T> | T): Promise<T> {
  try {
    return await code();
  } catch (error) {
    throw new SkeinError('INVALID_INPUT', `${file}: ${what} threw: ${shownError(error)}`, {
      cause: error,
      fields: { user_stack: userStack(error) },
    });
  }
}

/** The first line of what was thrown, and where in the user's files. */
export function shownError(error: unknown): string {
  const { name, message } = asError(error);
  const place = userPlace(error);
  const text = message.split('\n', 1)[0] ?? '';
  return `${name === 'Error' ? text : `${name}: ${text}`}${place === undefined ? '' : ` (${place})`}`;
}

async function mustBe({ modulePath, digest, file }: OwnModule): Promise<void> {
  const found = sha256(await readFile(modulePath));
  if (found === digest) return;
  throw new SkeinError(
    'CORRUPT',
    `${file}: ${modulePath} has digest ${found.slice(0, 12)}… and not ${digest.slice(0, 12)}…, so it is not run; remove it, and the node brings it again`,
  );
}
