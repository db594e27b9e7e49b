/** What keeps two heads, two nodes and two processes off each other, and strangers out. */
import { defence, instead, without, type Defence } from '../defence.ts';

export const cluster: readonly Defence[] = [
  defence(
    'a lease is taken only when it did not change for its time',
    'run/lease.ts',
    instead('if (now() - watched.sinceMs < ttlMs) {', 'if (watched.sinceMs > now()) {'),
    ['unit/run/lease.test.ts', 'of another head is taken only when it did not change for 15 s'],
  ),
  defence(
    'a lease that is renewed is somebody’s',
    'run/lease.ts',
    without("if (watched && watched.generation !== standing.generation) return { kind: 'refused', by: document };"),
    ['unit/run/lease.test.ts', 'of another head that lives is refused'],
  ),
  defence(
    'a head acts no longer than its lease holds',
    'run/lease.ts',
    instead('< (ttlMs * 2) / 3;', '< ttlMs * 1e9;'),
    ['unit/run/lease.test.ts', 'is not acted on long before anybody else may take it'],
  ),
  defence(
    'a head that was replaced is fenced before it writes',
    'head/heartbeat.ts',
    instead('if (!standing || parseStatus(standing)?.head_boot_id !== bootId) break;', 'if (!standing) break;'),
    ['unit/head/heartbeat.test.ts', 'of a head that another one replaced is fenced'],
  ),
  defence(
    'a head without its lease does not beat',
    'head/heartbeat.ts',
    instead('if (this.#isFenced || !mayWrite()) return;', 'if (this.#isFenced) return;'),
    ['unit/head/heartbeat.test.ts', 'is silent while its head does not hold the lease'],
  ),
  defence(
    'a node gets tasks only when the store has it that they may be there',
    'head/heartbeat.ts',
    instead('return !this.#options.isPatient || (this.#named?.has(node) ?? false);', 'return node.length > 0;'),
    ['unit/head/head.test.ts', 'hands a node its first tasks only when the store has it'],
  ),
  defence(
    'a grant is durable before its node hears of it',
    'head/grants.ts',
    instead(
      'permit(manifest: RunFacts, database: string, node: string): Permit {',
      "permit(manifest: RunFacts, database: string, node: string): Permit {\n    if (this.#grantOf(manifest, database).state.kind === 'granting') return { kind: 'granted', epoch: 1 };",
    ),
    ['unit/head/grants.test.ts', 'goes to one node, durably before anybody is told'],
  ),
  defence(
    'every grant has an epoch of its own',
    'head/grants.ts',
    instead('epoch: Math.max(current, grant.epoch) + 1,', 'epoch: 1,'),
    ['unit/head/grants.test.ts', 'of a lost node passes on under the next epoch'],
  ),
  defence(
    'what a former holder of a grant brings is refused',
    'head/grants.ts',
    instead('if (!isHolder && grantEpoch < grant.epoch) {', 'if (!isHolder && grantEpoch < 0) {'),
    ['unit/head/grants.test.ts', 'of a lost node passes on under the next epoch'],
  ),
  defence(
    'a node obeys no head whose epoch is over',
    'node/head-link.ts',
    instead('if (welcome.headEpoch < this.#highestEpoch) {', 'if (welcome.headEpoch < 0) {'),
    ['threads/wire-link.test.ts', 'obeys no head of an epoch that is over'],
  ),
  defence(
    'a frame that came twice is taken once',
    'wire/session.ts',
    without('if (sequence <= this.#lastReceived) return;'),
    ['unit/wire/session.test.ts', 'drops a frame that it has seen'],
  ),
  defence(
    'a gap between frames is refused',
    'wire/session.ts',
    instead('if (sequence !== this.#lastReceived + 1) {', 'if (sequence < 0) {'),
    ['unit/wire/session.test.ts', 'refuses a gap'],
  ),
  defence(
    'a message that no frame can carry is refused',
    'wire/session.ts',
    instead('if (bytes > LARGEST_MESSAGE) {', 'if (bytes < 0) {'),
    ['unit/wire/session.test.ts', 'refuses a message that no frame can carry'],
  ),
  defence(
    'what is kept for a silent peer is bounded',
    'wire/session.ts',
    without('if (this.#outbox.bytes > maxQueuedBytes) this.#options.onOverflow?.(this.#outbox.bytes);'),
    ['unit/wire/session.test.ts', 'tells its owner when too much is kept'],
  ),
  defence(
    'every call shows the token',
    'wire/handlers.ts',
    instead('if (timingSafeEqual(digest(presented), expected)) return;', 'if (digest(presented) !== expected) return;'),
    ['threads/wire-bad-peers.test.ts', 'is told what token it lacks'],
  ),
  defence('the token is asked for before anything is read', 'wire/server.ts', without('guard(metadata);'), [
    'threads/wire-bad-peers.test.ts',
    'ends a request that dribbles in, and one whose caller has no token',
  ]),
  defence(
    'a request that dribbles in is ended',
    'wire/server.ts',
    without('timer = setTimeout(() => call.sendStatus(statusOf(late)), requestMs);'),
    ['threads/wire-bad-peers.test.ts', 'ends a request that dribbles in'],
  ),
  defence(
    'a lock that was lost is noticed',
    'node/lock-keeper.ts',
    instead('if (kernel.isWhole() && directory.isOurs()) return;', 'if (kernel.isWhole()) return;'),
    ['process/lock.test.ts', 'is not removed at the release when another took its place'],
  ),
  defence(
    'a lock ends with the actor that asked for it',
    'node/lock-keeper.ts',
    instead("else death.addEventListener('abort', release, { once: true });", 'else release;'),
    ['process/lock.test.ts', 'lets a lock go when the actor that asked for it has ended'],
  ),
  defence(
    'one daemon to a data dir',
    'daemon/data-dir.ts',
    instead('lock = await takeLock(path);', 'lock = { isWhole: () => true, release: () => {} };'),
    ['unit/daemon/data-dir.test.ts', 'has one owner at a time'],
  ),
  defence(
    'a new actor gets a new thread',
    'node/actor-pool.ts',
    instead('if (worker === undefined || used.has(worker)) continue;', 'if (worker === undefined) continue;'),
    ['threads/actor-host.test.ts', 'never gives the thread of an actor'],
  ),
  defence(
    'actors see no secret of the daemon',
    'node/actor-env.ts',
    instead('if (value !== undefined && ALLOWED.test(name))', 'if (value !== undefined)'),
    ['threads/actor-host.test.ts', 'gives actors an environment without secrets'],
  ),
  defence(
    'a framework of a user is run only with the bytes that its name says',
    'node/framework-download.ts',
    instead('if (sha256(stored.bytes) !== digest) {', 'if (stored.bytes.length < 0) {'),
    ['unit/node/framework-download.test.ts', 'is neither uploaded over other bytes nor taken'],
  ),
  defence(
    'a framework of a user that was changed on a node is brought again',
    'node/framework-download.ts',
    instead('if (standing && sha256(standing) === digest) return path;', 'if (standing) return path;'),
    ['unit/node/framework-download.test.ts', 'is brought again where somebody changed it'],
  ),
  defence(
    'a file of secrets that others can read is refused',
    'cli/secrets-file.ts',
    instead('if ((info.mode & 0o077) !== 0) {', 'if (info.mode < 0) {'),
    ['process/secrets.test.ts', 'a file that %s: one line, exit 2'],
  ),
  defence(
    'a secret that is printed is masked',
    'kernel/mask.ts',
    instead(
      'return pattern === undefined ? text : text.replace(',
      'return pattern !== null ? text : String(text).replace(',
    ),
    ['unit/kernel/mask.test.ts', 'are cleaned of it %s, as texts and as bytes'],
  ),
  defence(
    'secrets show their names only, however they are printed',
    'kernel/secrets.ts',
    instead('return { names: this.names };', 'return this.reveal() as never;'),
    ['unit/kernel/mask.test.ts', 'show their names and no value'],
  ),
  defence('the processes that run SQL see no environment', 'node/sql-executor.ts', without('env: {},'), [
    'process/sql-executor.test.ts',
    'has nothing of its daemon’s environment',
  ]),
];
