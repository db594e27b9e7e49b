/** Opens the store that a URL names. The only place that knows which schemes there are. */
import { SkeinError } from '../kernel/errors.ts';
import type { ObjectStore } from './port.ts';

/**
 * The store at `url`: `file:///absolute/dir`, or `memory:` (lives and dies with this process). Opening makes nothing.
 * @param field what the URL is for, as the user wrote it; the error's text names it
 * @throws SkeinError INVALID_INPUT that names the value and the legal forms
 */
export async function openStore(url: string, field = '--store'): Promise<ObjectStore> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'file') {
    const { openDirectoryStore } = await import('./directory.ts');
    return openDirectoryStore(url, field);
  }
  if (scheme === 'memory') {
    const { openMemoryStore } = await import('./memory.ts');
    return openMemoryStore(url);
  }
  const why =
    scheme === 'gs'
      ? 'gs:// buckets are not offered in this version yet'
      : scheme === undefined
        ? 'it is no URL'
        : `${scheme}: is no store that Skein knows`;
  throw new SkeinError(
    'INVALID_INPUT',
    `${field}: ${JSON.stringify(url)}: ${why}; write file:///absolute/dir (or memory: for a trial)`,
    { fields: { field } },
  );
}
