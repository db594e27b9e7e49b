/** The states of an actor as its callers see it (ray-compatibility 1.6), each with what it holds. */
import type { ActorDeath, ActorInstance } from './runtime.ts';

/**
 * ```
 * DEPENDENCIES_UNREADY ─▶ PENDING_CREATION ─▶ ALIVE ⇄ RESTARTING
 *          └──────────────────────┴─────────────┴───────┴──▶ DEAD
 * ```
 */
export type ActorState =
  /** A constructor argument has no value yet. */
  | { readonly kind: 'DEPENDENCIES_UNREADY' }
  /** Its thread starts; its constructor runs. */
  | { readonly kind: 'PENDING_CREATION'; readonly instance: ActorInstance }
  | { readonly kind: 'ALIVE'; readonly instance: ActorInstance }
  /** Between an instance and the next, which is there (its constructor runs) once the thread before it is gone. */
  | { readonly kind: 'RESTARTING'; readonly instance: ActorInstance | undefined }
  | { readonly kind: 'DEAD'; readonly death: ActorDeath };

/** Deaths after which an actor with restarts left comes back. `kill` decides for itself. */
export function isRestartable({ reason }: ActorDeath): boolean {
  switch (reason) {
    case 'CRASH':
    case 'OOM':
    case 'UNRESPONSIVE':
      return true;
    case 'CTOR_ERROR':
    case 'KILLED':
    case 'EXITED':
    case 'OWNER_DIED':
    case 'NODE_DIED':
    case 'LOAD_FAILED':
    case 'UNSCHEDULABLE':
      return false;
  }
}
