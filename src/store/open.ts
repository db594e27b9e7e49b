/** Opens the store that a URL names. The only place that knows which schemes there are. */
import { SkeinError } from '../kernel/errors.ts';
import type { ObjectStore } from './port.ts';

export interface OpenStoreOptions {
  /** The server of `gs://` stores, `http://host:port`, in place of Google's; with it no credentials are needed. */
  readonly gcsEndpoint?: string | undefined;
}

/**
 * The store at `url`: `file:///absolute/dir`, `gs://bucket[/prefix]`, or `memory:` (lives and dies with this process). Opening makes nothing.
 * @param field what the URL is for, as the user wrote it; the error's text names it
 * @throws SkeinError INVALID_INPUT that names the value and the legal forms; of a bucket PREFLIGHT, within 10 s,
 * with the command that mends it
 */
export async function openStore(
  url: string,
  field = '--store',
  { gcsEndpoint }: OpenStoreOptions = {},
): Promise<ObjectStore> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'file') {
    const { openDirectoryStore } = await import('./directory.ts');
    return openDirectoryStore(url, field);
  }
  if (scheme === 'memory') {
    const { openMemoryStore } = await import('./memory.ts');
    return openMemoryStore(url);
  }
  if (scheme === 'gs') {
    // oxlint-disable-next-line no-restricted-imports -- the one place, and a dynamic one
    const { openGcsStore } = await import('./gcs.ts');
    return openGcsStore(url, field, gcsEndpoint === undefined ? {} : { endpoint: gcsEndpoint });
  }
  const why = scheme === undefined ? 'it is no URL' : `${scheme}: is no store that Skein knows`;
  throw new SkeinError(
    'INVALID_INPUT',
    `${field}: ${JSON.stringify(url)}: ${why}; write file:///absolute/dir or gs://bucket (memory: for a trial)`,
    { fields: { field } },
  );
}
