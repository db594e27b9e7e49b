/** Folders that go with the test that asked for them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

/**
 * A new empty folder, removed when the running test has finished.
 * @param onFinished a concurrent test's own `onTestFinished`: the global one does not know which test asks
 */
export async function temporaryFolder(onFinished: typeof onTestFinished = onTestFinished): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-test-'));
  onFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
