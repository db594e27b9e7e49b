/** SkeinError codes as gRPC statuses and back: the one table. Stacks never cross the wire. */
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';

import { describeError, isSkeinError, SkeinError, type ErrorCode } from '../kernel/errors.ts';
import { explainUnreachable } from './unreachable.ts';

const STATUS_OF: Readonly<Record<ErrorCode, status>> = {
  INVALID_INPUT: status.INVALID_ARGUMENT,
  PREFLIGHT: status.FAILED_PRECONDITION,
  NOT_FOUND: status.NOT_FOUND,
  STORE_CONFLICT: status.ABORTED,
  STORE_UNAVAILABLE: status.UNAVAILABLE,
  OUTCOME_UNKNOWN: status.UNKNOWN,
  DISK_FULL: status.RESOURCE_EXHAUSTED,
  CORRUPT: status.DATA_LOSS,
  DEADLINE: status.DEADLINE_EXCEEDED,
  CANCELLED: status.CANCELLED,
  UNAVAILABLE: status.UNAVAILABLE,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  NOT_FINISHED: status.FAILED_PRECONDITION,
  INTERNAL: status.INTERNAL,
};

/** Statuses that no handler of ours made: grpc-js, a proxy or another product did. */
const FOREIGN: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.UNAVAILABLE]: 'UNAVAILABLE',
  // A head that ends cancels what is open; what we cancel ourselves is not read.
  [status.CANCELLED]: 'UNAVAILABLE',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE',
  [status.UNAUTHENTICATED]: 'UNAUTHENTICATED',
  [status.PERMISSION_DENIED]: 'UNAUTHENTICATED',
  [status.UNIMPLEMENTED]: 'PREFLIGHT',
  // A message above the peer's limit.
  [status.RESOURCE_EXHAUSTED]: 'INVALID_INPUT',
  [status.INTERNAL]: 'CORRUPT',
};

const CODE_KEY = 'skein-code';

/** What a handler answers when it failed. Unknown errors show no detail but their message. */
export function toServiceError(thrown: unknown): Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  const code: ErrorCode = isSkeinError(thrown) ? thrown.code : 'INTERNAL';
  const metadata = new Metadata();
  metadata.set(CODE_KEY, code);
  return { code: STATUS_OF[code], details: describeError(thrown), metadata };
}

/**
 * A failed call as a SkeinError that names the peer, says what is wrong there, and what to do. UNAVAILABLE is worth another
 * try; a peer that speaks another protocol or shows another certificate is PREFLIGHT.
 * @param usesTls whether TLS was spoken to the peer
 */
export function fromServiceError(where: string, error: ServiceError, usesTls = false): SkeinError {
  const named = error.metadata?.get(CODE_KEY)[0] as ErrorCode | undefined;
  const details = error.details || error.message;
  const { code, text } = named === undefined ? foreign(error.code, details, usesTls) : { code: named, text: details };
  return new SkeinError(code, `${where}: ${text}`, { cause: error });
}

function foreign(code: status, details: string, usesTls: boolean): { code: ErrorCode; text: string } {
  // HTTP/2 streams that a dying peer resets arrive as INTERNAL.
  const isReset = code === status.INTERNAL && details.includes('RST_STREAM');
  const ours = isReset ? 'UNAVAILABLE' : (FOREIGN[code] ?? 'INTERNAL');
  switch (ours) {
    case 'UNAVAILABLE': {
      const { text, isLasting } = explainUnreachable(details, usesTls);
      return { code: isLasting ? 'PREFLIGHT' : ours, text };
    }
    case 'DEADLINE':
      return { code: ours, text: 'no answer in time: it hangs, or that is the port of another product' };
    case 'PREFLIGHT':
      return { code: ours, text: 'it does not know this call: another version of Skein, or another product' };
    default:
      return { code: ours, text: details };
  }
}
