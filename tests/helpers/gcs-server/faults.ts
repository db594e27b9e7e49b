/** What the server can be told to do wrong, call by call: `PlanOf` with faults that only a socket can have. */
import { PlanOf, type RuleOf } from '../../../src/store/faults.ts';

export type ServerOperation =
  | 'create'
  | 'replace'
  | 'read'
  | 'stat'
  | 'list'
  | 'remove'
  | 'patch'
  | 'session'
  | 'bucket';

export type ServerFault =
  /** An error of Google's shape; with `afterDoing` the work was done all the same. */
  | { readonly kind: 'status'; readonly status: number; readonly afterDoing?: boolean }
  /** Done, and answered, so much later: also when nobody waits for it any more. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Done; the socket is destroyed in place of an answer. */
  | { readonly kind: 'lose-answer' }
  /** Not done; the socket is destroyed. */
  | { readonly kind: 'reset' }
  /** Accepted and never answered. */
  | { readonly kind: 'hang'; readonly afterDoing?: boolean }
  /** Half of the body, then the socket is destroyed; `silently`: as if that were all (no length, a proper end). */
  | { readonly kind: 'truncate'; readonly silently?: boolean }
  /** Headers and half of the body, then nothing more. */
  | { readonly kind: 'stall' }
  /** One bit of an uploaded object is another by the time it arrives. */
  | { readonly kind: 'damage' }
  /** One bit of the body is another. */
  | { readonly kind: 'flip' }
  /** The checksum header is another object's, or is missing. */
  | { readonly kind: 'wrong-checksum' }
  | { readonly kind: 'no-checksum' };

export type ServerFaultRule = RuleOf<ServerOperation, ServerFault>;

export class ServerFaultPlan extends PlanOf<ServerOperation, ServerFault> {}
