/** SkeinError codes as gRPC statuses and back: the one table. Stacks never cross the wire. */
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';

import { describeError, isSkeinError, SkeinError, type ErrorCode } from '../kernel/errors.ts';

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

const CODE_KEY = 'skein-code';

/** What a handler answers when it failed. Unknown errors show no detail but their message. */
export function toServiceError(thrown: unknown): Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  const code: ErrorCode = isSkeinError(thrown) ? thrown.code : 'INTERNAL';
  const metadata = new Metadata();
  metadata.set(CODE_KEY, code);
  return { code: STATUS_OF[code], details: describeError(thrown), metadata };
}

/** A failed call as a SkeinError that names the peer. */
export function fromServiceError(where: string, error: ServiceError): SkeinError {
  const named = error.metadata?.get(CODE_KEY)[0];
  const byStatus = Object.entries(STATUS_OF).find(([, value]) => value === error.code)?.[0];
  return new SkeinError(
    (named ?? byStatus ?? 'UNAVAILABLE') as ErrorCode,
    `${where}: ${error.details || error.message}`,
    {
      cause: error,
    },
  );
}
