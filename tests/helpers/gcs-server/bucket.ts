/**
 * One bucket in memory, with GCS's rules for generations and preconditions to the letter: what a test may rely on where
 * fake-gcs-server is too kind. Knows nothing of HTTP.
 */
import { createHash } from 'node:crypto';

import { crc32c } from './crc32c.ts';

export interface Stored {
  readonly name: string;
  readonly generation: string;
  readonly bytes: Buffer;
  readonly md5Hash: string;
  readonly crc32c: string;
  readonly updatedMs: number;
  readonly contentType: string;
  /** Under a temporary hold it can be neither deleted nor replaced, by nobody. */
  readonly temporaryHold?: boolean;
}

/** As in the query of a request. Absent: no condition. */
export interface Conditions {
  readonly ifGenerationMatch?: string | undefined;
  readonly ifGenerationNotMatch?: string | undefined;
  /** This generation and no other is asked for. */
  readonly generation?: string | undefined;
}

export interface UploadFacts {
  readonly contentType?: string | undefined;
  readonly md5Hash?: string | undefined;
  readonly crc32c?: string | undefined;
}

export type Refusal = 'absent' | 'held' | 'precondition' | 'not-modified' | 'bad-name' | { readonly badHash: string };

export class Refused extends Error {
  readonly why: Refusal;

  constructor(why: Refusal) {
    super(typeof why === 'string' ? why : why.badHash);
    this.why = why;
  }
}

interface LifecycleRule {
  readonly action: { readonly type: string };
  readonly condition: { readonly age?: number; readonly matchesPrefix?: readonly string[] };
}

export interface ListQuery {
  readonly prefix?: string | undefined;
  readonly delimiter?: string | undefined;
  readonly startOffset?: string | undefined;
  readonly endOffset?: string | undefined;
  readonly pageToken?: string | undefined;
  readonly maxResults?: number | undefined;
}

const bytesOf = (text: string): Buffer => Buffer.from(text);
const compare = (a: string, b: string): number => Buffer.compare(bytesOf(a), bytesOf(b));

export class GcsBucket {
  readonly name: string;
  /** The bucket's own resource: lifecycle and whatever else was patched into it. */
  resource: Record<string, unknown> = {};
  metageneration = 1;
  readonly #objects = new Map<string, Stored>();
  #sorted: string[] | undefined;
  #generation = BigInt(Date.now()) * 1000n;

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#objects.size;
  }

  all(): Stored[] {
    return [...this.#objects.values()];
  }

  /** For what a saved state holds. */
  restore(stored: Stored): void {
    this.#objects.set(stored.name, stored);
    this.#sorted = undefined;
    if (BigInt(stored.generation) > this.#generation) this.#generation = BigInt(stored.generation);
  }

  /** @throws Refused if the object that stands there does not meet the conditions */
  checkWrite(name: string, { ifGenerationMatch, ifGenerationNotMatch }: Conditions): void {
    const isBad = name === '' || name === '.' || name === '..' || /[\r\n]/.test(name) || Buffer.byteLength(name) > 1024;
    if (isBad || name.startsWith('.well-known/acme-challenge/')) throw new Refused('bad-name');
    const standing = this.#objects.get(name)?.generation ?? '0';
    if (ifGenerationMatch !== undefined && ifGenerationMatch !== standing) throw new Refused('precondition');
    if (ifGenerationNotMatch !== undefined && ifGenerationNotMatch === standing) throw new Refused('precondition');
    if (this.#objects.get(name)?.temporaryHold) throw new Refused('held');
  }

  put(name: string, bytes: Buffer, conditions: Conditions, facts: UploadFacts = {}): Stored {
    this.checkWrite(name, conditions);
    const md5Hash = createHash('md5').update(bytes).digest('base64');
    const checksum = crc32c(bytes);
    if (facts.md5Hash !== undefined && facts.md5Hash !== md5Hash) {
      throw new Refused({
        badHash: `Provided MD5 hash "${facts.md5Hash}" doesn't match calculated MD5 hash "${md5Hash}".`,
      });
    }
    if (facts.crc32c !== undefined && facts.crc32c !== checksum) {
      throw new Refused({
        badHash: `Provided CRC32C "${facts.crc32c}" doesn't match calculated CRC32C "${checksum}".`,
      });
    }
    const nowMs = Date.now();
    const clock = BigInt(nowMs) * 1000n;
    this.#generation = clock > this.#generation ? clock : this.#generation + 1n;
    const stored: Stored = {
      name,
      bytes,
      md5Hash,
      crc32c: checksum,
      generation: String(this.#generation),
      updatedMs: nowMs,
      contentType: facts.contentType ?? 'application/octet-stream',
    };
    if (!this.#objects.has(name)) this.#sorted = undefined;
    this.#objects.set(name, stored);
    return stored;
  }

  get(name: string, { ifGenerationMatch, ifGenerationNotMatch, generation }: Conditions): Stored {
    const stored = this.#objects.get(name);
    if (stored === undefined || (generation !== undefined && generation !== stored.generation)) {
      throw new Refused('absent');
    }
    if (ifGenerationMatch !== undefined && ifGenerationMatch !== stored.generation) throw new Refused('precondition');
    if (ifGenerationNotMatch === stored.generation) throw new Refused('not-modified');
    return stored;
  }

  remove(name: string, conditions: Conditions): void {
    const { generation } = this.get(name, { generation: conditions.generation });
    const { ifGenerationMatch, ifGenerationNotMatch } = conditions;
    if (ifGenerationMatch !== undefined && ifGenerationMatch !== generation) throw new Refused('precondition');
    if (ifGenerationNotMatch === generation) throw new Refused('precondition');
    if (this.#objects.get(name)?.temporaryHold) throw new Refused('held');
    this.#objects.delete(name);
    this.#sorted = undefined;
  }

  /** Changes what is said of an object; its generation stays. */
  patch(name: string, conditions: Conditions, { temporaryHold }: { readonly temporaryHold?: boolean }): Stored {
    const patched = { ...this.get(name, conditions), ...(temporaryHold !== undefined && { temporaryHold }) };
    this.#objects.set(name, patched);
    return patched;
  }

  /** What the bucket's own lifecycle rules do when it is `nowMs`: deletions by age, for as far as nothing is held. */
  clearUp(nowMs: number): void {
    const { rule = [] } = (this.resource['lifecycle'] ?? {}) as { rule?: readonly LifecycleRule[] };
    for (const { action, condition } of rule) {
      const { age, matchesPrefix } = condition;
      if (action.type !== 'Delete' || age === undefined) continue;
      for (const { name, updatedMs, temporaryHold } of this.all()) {
        const isMeant = matchesPrefix === undefined || matchesPrefix.some((prefix) => name.startsWith(prefix));
        if (isMeant && !temporaryHold && nowMs - updatedMs >= age * 86_400_000) this.#objects.delete(name);
      }
    }
    this.#sorted = undefined;
  }

  list(query: ListQuery): { items: Stored[]; prefixes: string[]; nextPageToken: string | undefined } {
    const { prefix = '', delimiter, startOffset, endOffset, pageToken, maxResults = 1000 } = query;
    const after = pageToken === undefined ? undefined : Buffer.from(pageToken, 'base64url').toString();
    this.#sorted ??= [...this.#objects.keys()].sort(compare);
    const items: Stored[] = [];
    const prefixes: string[] = [];
    let last = '';
    for (const name of this.#sorted) {
      if (!name.startsWith(prefix)) continue;
      if (startOffset !== undefined && compare(name, startOffset) < 0) continue;
      if (endOffset !== undefined && compare(name, endOffset) >= 0) continue;
      const cut = delimiter ? name.indexOf(delimiter, prefix.length) : -1;
      const key = cut === -1 ? name : name.slice(0, cut + (delimiter?.length ?? 0));
      if (after !== undefined && (compare(key, after) <= 0 || (after.endsWith('/') && name.startsWith(after))))
        continue;
      if (key === last) continue;
      if (items.length + prefixes.length === Math.min(1000, maxResults)) {
        return { items, prefixes, nextPageToken: Buffer.from(last).toString('base64url') };
      }
      last = key;
      const stored = this.#objects.get(name);
      if (cut !== -1) prefixes.push(key);
      else if (stored !== undefined) items.push(stored);
    }
    return { items, prefixes, nextPageToken: undefined };
  }
}
