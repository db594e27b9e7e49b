/** Who types: for records that say why something was done. */
import { hostname, userInfo } from 'node:os';

/** `user@host`. */
export function personHere(): string {
  try {
    const { username } = userInfo();
    return `${username}@${hostname()}`;
  } catch {
    // A container may run as a user that has no name.
    return `${process.getuid?.() ?? 'user'}@${hostname()}`;
  }
}
