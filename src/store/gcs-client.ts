/**
 * The Google client as we use it: no retries of its own, an endpoint that is the one we were told, and calls that can be
 * ended. The only file that makes a client.
 *
 * Not here: deadlines and verbs (`gcs.ts`).
 *
 * Invariants: K1 the library never tries again: one failed download with its retries on ends the process, and one write
 * without a precondition switches them off for all (reliability F2, F3). K2 a call that is given up holds no socket: the
 * library has no way to end a request, so the requests that a call makes are noted as Node makes them, and destroyed.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';

import { Storage, type Bucket } from '@google-cloud/storage';

import { SkeinError } from '../kernel/errors.ts';

export interface GcsClient {
  readonly storage: Storage;
  readonly bucket: Bucket;
  /** Where small uploads go. */
  readonly uploadUrl: string;
  /** Of the server that objects live on; requests for tokens go elsewhere and are left alone. */
  readonly hostname: string;
}

/**
 * A client for `bucket`. Nothing is asked of the server yet.
 * @param endpoint of an emulator, `http://host:port`; with it no credentials are needed or sent
 * @throws SkeinError INVALID_INPUT if the environment leads the library to another server than the one meant
 */
export function makeGcsClient(bucket: string, endpoint: string | undefined): GcsClient {
  const storage = new Storage({
    retryOptions: { autoRetry: false, maxRetries: 0, retryableErrorFn: () => false },
    ...(endpoint !== undefined && { apiEndpoint: endpoint, projectId: 'skein' }),
  });
  const base = (storage as unknown as { readonly baseUrl: string }).baseUrl;
  const origin = endpoint ?? 'https://storage.googleapis.com';
  const meant = `${origin}/storage/v1`;
  if (base !== meant) {
    throw new SkeinError(
      'INVALID_INPUT',
      `STORAGE_EMULATOR_HOST leads to ${base}, but ${meant} is meant; unset it and name an emulator in SKEIN_GCS_ENDPOINT`,
      { fields: { field: 'STORAGE_EMULATOR_HOST' } },
    );
  }
  return {
    storage,
    bucket: storage.bucket(bucket),
    uploadUrl: `${origin}/upload/storage/v1/b/${bucket}/o`,
    hostname: new URL(origin).hostname,
  };
}

interface OpenRequests {
  readonly hostname: string;
  readonly requests: Set<ClientRequest>;
  isEnded: boolean;
}

const openRequests = new AsyncLocalStorage<OpenRequests>();

subscribe('http.client.request.created', (message) => {
  const open = openRequests.getStore();
  const { request } = message as { readonly request: ClientRequest };
  if (open === undefined || request.host !== open.hostname) return;
  // What an ended call still starts (the second step of an upload) must not reach the server.
  if (open.isEnded) request.destroy();
  else open.requests.add(request);
});

/** Runs `work`; when `signal` fires, the requests that `work` has made to `hostname` are destroyed (K2). */
export async function endable<T>(hostname: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const open: OpenRequests = { hostname, requests: new Set(), isEnded: false };
  const end = (): void => {
    open.isEnded = true;
    for (const request of open.requests) request.destroy();
  };
  signal.addEventListener('abort', end, { once: true });
  try {
    return await openRequests.run(open, work);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
