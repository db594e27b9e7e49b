/**
 * Opens `gs://` stores: Google Cloud Storage through Google's own client. Reached by dynamic import only (`open.ts`): the
 * client costs 30 MB and 200 ms, and no actor thread may pay for it.
 *
 * Not here: the store (`gcs-store.ts`).
 */
import { asError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { retry, withDeadline } from '../kernel/retry.ts';
import { isTransient } from './create-or-confirm.ts';
import { endable, makeGcsClient, type GcsClient } from './gcs-client.ts';
import { gcsError, type GcsPlace } from './gcs-errors.ts';
import { GcsStore, type GcsTimeouts } from './gcs-store.ts';
import { parseGsUrl } from './gs-url.ts';
import type { ObjectStore } from './port.ts';

export interface GcsOptions extends GcsTimeouts {
  /** Of an emulator, `http://host:port`; with it no credentials are needed. */
  readonly endpoint?: string;
  /** What opening may take in all, milliseconds. Default 9,000. */
  readonly openTimeoutMs?: number;
}

/**
 * Opens the bucket of `url` and asks it one question, so that a bucket that is missing, forbidden or out of reach is known
 * within `openTimeoutMs`. Makes nothing.
 * @param field what the URL is for, as the user wrote it; the error's text names it
 * @throws SkeinError INVALID_INPUT for the URL or the endpoint, PREFLIGHT with the command that mends it
 */
export async function openGcsStore(url: string, field = '--store', options: GcsOptions = {}): Promise<ObjectStore> {
  const endpoint = options.endpoint === undefined ? undefined : endpointOf(options.endpoint);
  const place = { ...parseGsUrl(url, field), endpoint };
  const client = makeGcsClient(place.bucket, endpoint);
  const store = new GcsStore(place, client, options);
  const timeoutMs = options.openTimeoutMs ?? 9_000;
  let last = `${place.url}: no answer`;
  try {
    await withDeadline(`opening ${place.url}`, timeoutMs, undefined, async (signal) => {
      const onRetry = (error: unknown): void => void (last = asError(error).message);
      if (endpoint === undefined) {
        last = `signing in to Google for ${place.url} takes too long; sign in anew: gcloud auth application-default login`;
        await signIn(client, place, signal);
        last = `${place.url}: no answer`;
      }
      const ask = () => store.list('', { pageSize: 1, signal });
      // Some 4 s: a server that is just being started again is no reason to refuse a command.
      await retry(ask, { tries: 8, maxMs: 1_500, isRetryable: isTransient, signal, onRetry });
    });
  } catch (error) {
    const fields = { field };
    if (!isSkeinError(error, 'DEADLINE')) {
      throw new SkeinError('PREFLIGHT', `${field}: ${asError(error).message}`, { cause: error, fields });
    }
    const server = endpoint === undefined ? '' : `; is the server at SKEIN_GCS_ENDPOINT=${endpoint} up?`;
    throw new SkeinError('PREFLIGHT', `${field}: ${last} within ${timeoutMs} ms${server}`, { fields });
  }
  return store;
}

function endpointOf(text: string): string {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '') return url.origin;
  throw new SkeinError(
    'INVALID_INPUT',
    `SKEIN_GCS_ENDPOINT: ${JSON.stringify(text)} is no address of a server; write http://host:port`,
    { fields: { field: 'SKEIN_GCS_ENDPOINT' } },
  );
}

async function signIn(client: GcsClient, place: GcsPlace, signal: AbortSignal): Promise<void> {
  const { authClient } = client.storage;
  await endable(client.hostname, signal, () => authClient.getAccessToken()).catch((error: unknown) => {
    throw gcsError('signing in to Google', error, false, place);
  });
}
