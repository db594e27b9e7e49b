/** Certificates for a test, made by openssl into a folder that goes with it. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export class CertificateAuthority {
  readonly #dir: string;
  readonly #name: string;
  readonly cert: Buffer;

  private constructor(dir: string, name: string, cert: Buffer) {
    this.#dir = dir;
    this.#name = name;
    this.cert = cert;
  }

  static async make(dir: string, name: string): Promise<CertificateAuthority> {
    const [key, cert] = [join(dir, `${name}.key`), join(dir, `${name}.pem`)];
    await run('openssl', ['req', '-x509', ...KEY, '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`]);
    return new CertificateAuthority(dir, name, await readFile(cert));
  }

  /** @param names as openssl takes them: `IP:127.0.0.1`, `DNS:head` */
  async sign(name: string, names: string): Promise<Certificate> {
    const path = (kind: string): string => join(this.#dir, `${name}.${kind}`);
    const ca = join(this.#dir, this.#name);
    await writeFile(path('ext'), `subjectAltName=${names}\n`);
    await run('openssl', ['req', ...KEY, '-keyout', path('key'), '-out', path('csr'), '-subj', `/CN=${name}`]);
    const signing = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2'];
    await run('openssl', [
      'x509',
      '-req',
      '-in',
      path('csr'),
      '-out',
      path('pem'),
      '-extfile',
      path('ext'),
      ...signing,
    ]);
    return { cert: await readFile(path('pem')), key: await readFile(path('key')) };
  }
}
