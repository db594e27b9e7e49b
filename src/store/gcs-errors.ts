/**
 * What an answer of Google Cloud Storage, or its absence, means to us: one verdict, and from it one SkeinError.
 *
 * Not here: which call it was (`gcs.ts`), trying again (`create-or-confirm.ts`). Knows no class of the client library, so
 * that whoever judges an error does not load the library.
 *
 * Invariants: G1 a write is called undone only when the server said so, or when no connection was made; everything else is
 * OUTCOME_UNKNOWN. G2 what another try cannot mend (rights, credentials, a bucket that is not there) is not tried again.
 */
import { asError, isSkeinError, SkeinError, systemCode } from '../kernel/errors.ts';

/** What came of a call. */
export type Verdict =
  | 'absent'
  | 'precondition'
  | 'range'
  | 'no-bucket'
  | 'no-credentials'
  | 'forbidden'
  /** The object is under a hold: nobody deletes or replaces it. */
  | 'held'
  | 'refused'
  | 'corrupt'
  /** The server says that it did nothing, or was never reached. */
  | 'busy'
  /** It may have been done. */
  | 'unknown';

/** An HTTP answer that is no success, where the library gives none of its own making. */
export class HttpAnswer extends Error {
  override readonly name = 'HttpAnswer';
  readonly status: number;

  constructor(status: number, body: string) {
    super(messageOf(body) ?? `HTTP ${status}`);
    this.status = status;
  }
}

/** What a failed connection says before anything was sent. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EMFILE',
  'ENFILE',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** What the library says of credentials that are missing, unreadable, expired or revoked. */
const BAD_CREDENTIALS =
  /default credentials|credential file|could not refresh access token|invalid_(?:grant|rapt|client)|private_key/i;

/** The HTTP status of whatever the library threw. None: no answer, or one that began well (a 200 whose body was cut). */
export function statusOf(thrown: unknown): number | undefined {
  const { code, status, response } = (thrown ?? {}) as Record<string, unknown>;
  const answered = (response as { status?: unknown; statusCode?: unknown } | null | undefined) ?? {};
  for (const value of [status, answered.status, answered.statusCode, code]) {
    const number = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && number >= 400 && number <= 599) return number;
  }
  return undefined;
}

export function verdictOf(thrown: unknown): Verdict {
  const text = textOf(thrown);
  if (BAD_CREDENTIALS.test(text)) return 'no-credentials';
  const status = statusOf(thrown);
  switch (status) {
    case undefined:
      return NEVER_SENT.has(systemCode(thrown) ?? '') ? 'busy' : 'unknown';
    case 400:
      return /hash|md5|crc32c|checksum/i.test(text) ? 'corrupt' : 'refused';
    case 401:
      return 'no-credentials';
    case 403:
      if (/rate ?limit|quota/i.test(text)) return 'busy';
      return /under active \S+ hold/i.test(text) ? 'held' : 'forbidden';
    case 404:
      return /bucket does not exist/i.test(text) ? 'no-bucket' : 'absent';
    case 412:
      return 'precondition';
    case 416:
      return 'range';
    case 429:
      return 'busy';
    default:
      return status === 408 || status === 409 || status === 410 || status >= 500 ? 'unknown' : 'refused';
  }
}

/** Whose store, and with which endpoint, for texts that say what to do. */
export interface GcsPlace {
  readonly url: string;
  readonly bucket: string;
  /** Of an emulator; absent for Google's own. */
  readonly endpoint: string | undefined;
}

/**
 * `thrown` as a SkeinError: OUTCOME_UNKNOWN for a write that may have happened, CORRUPT, INVALID_INPUT for what the server
 * refuses as malformed, else STORE_UNAVAILABLE. `what` is what was being done: `writing runs/r1/status.json`.
 */
export function gcsError(what: string, thrown: unknown, isWrite: boolean, place: GcsPlace): SkeinError {
  if (isSkeinError(thrown) && thrown.code !== 'DEADLINE') return thrown;
  const verdict = verdictOf(thrown);
  const status = statusOf(thrown);
  const where = `${what} in ${place.url}`;
  const details = { cause: thrown, fields: { verdict, ...(status !== undefined && { httpStatus: status }) } };
  const mend = mendingCommand(verdict, place);
  // What was said stands in the text, or whoever prints the causes would put it behind the command.
  const text = `${where}: ${textOf(thrown)}`;
  if (mend !== undefined) return new SkeinError('STORE_UNAVAILABLE', `${text} ${mend}`, details);
  if (verdict === 'corrupt') return new SkeinError('CORRUPT', text, details);
  if (verdict === 'refused') return new SkeinError('INVALID_INPUT', text, details);
  if (isWrite && verdict !== 'busy')
    return new SkeinError('OUTCOME_UNKNOWN', `${text}; it may have been done`, details);
  return new SkeinError('STORE_UNAVAILABLE', text, details);
}

/** Whether another try of the call that failed with `error` can end no better (G2). */
export function isLastingAnswer(error: SkeinError): boolean {
  return ['no-bucket', 'no-credentials', 'forbidden', 'held'].includes(String(error.fields['verdict'] ?? ''));
}

function mendingCommand(verdict: Verdict, { bucket, endpoint }: GcsPlace): string | undefined {
  switch (verdict) {
    case 'no-bucket':
      return endpoint === undefined
        ? `Make it: gcloud storage buckets create gs://${bucket} --uniform-bucket-level-access`
        : `Make it: curl -X POST -H 'content-type: application/json' -d '{"name":"${bucket}"}' '${endpoint}/storage/v1/b?project=skein'`;
    case 'no-credentials':
      return 'Sign in: gcloud auth application-default login (or name a key file in GOOGLE_APPLICATION_CREDENTIALS)';
    case 'held':
      return 'A pinned run keeps its objects; let them go with: skein unpin RUN';
    case 'forbidden':
      return `Allow it: gcloud storage buckets add-iam-policy-binding gs://${bucket} --role=roles/storage.objectUser --member=user:YOU`;
    default:
      return undefined;
  }
}

/** One line of what the server or the system said. */
function textOf(thrown: unknown): string {
  const { message, cause } = asError(thrown);
  const { errors, response } = thrown as { errors?: unknown; response?: { data?: unknown } };
  const first = Array.isArray(errors) ? (errors[0] as { message?: unknown } | undefined)?.message : undefined;
  const data = response?.data;
  const body = typeof data === 'string' ? messageOf(data) : messageOf(JSON.stringify(data ?? null));
  const own = messageOf(message) ?? message;
  const known = body ?? (typeof first === 'string' ? first : own);
  const line = known.split('\n', 1)[0] ?? '';
  if (line !== '') return line;
  return cause === undefined ? 'no answer' : textOf(cause);
}

/** The text inside a body of Google's shape. */
function messageOf(body: string): string | undefined {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown } | string };
    const text = typeof error === 'object' ? error.message : error;
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}
