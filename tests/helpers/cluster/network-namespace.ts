/**
 * A machine of its own as far as the network goes: a namespace with one cable to this one. Its link goes down and packets are
 * dropped as on a real one: nobody is told anything. Needs the right to make namespaces; without it the test is skipped,
 * and one printed line says so.
 */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
let answer: boolean | undefined;
let made = 0;

/** Whether this process may make them, and filter packets in them; asked once. */
export function canMakeNamespaces(): boolean {
  return (answer ??= tryOne());
}

function tryOne(): boolean {
  const name = `skein-try-${process.pid}`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' });
    try {
      execFileSync('ip', ['netns', 'exec', name, 'iptables', '-L', '-n'], { stdio: 'ignore' });
      return true;
    } finally {
      execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
    }
  } catch {
    process.stdout.write('skipped: tests of network namespaces (needs root, ip and iptables)\n');
    return false;
  }
}

export class NetworkNamespace implements AsyncDisposable {
  readonly name: string;
  /** This machine's end of the cable. */
  readonly hostAddress: string;
  /** Put in front of a command, it runs there. */
  readonly prefix: readonly string[];

  private constructor(name: string, hostAddress: string) {
    this.name = name;
    this.hostAddress = hostAddress;
    this.prefix = ['ip', 'netns', 'exec', name];
  }

  static async create(): Promise<NetworkNamespace> {
    made += 1;
    const id = `${process.pid % 100_000}${made}`;
    const name = `skein-${id}`;
    const [host, guest] = [`skh${id}`, `skg${id}`];
    const subnet = `10.213.${process.pid % 256}`;
    const [hostAddress, guestAddress] = [`${subnet}.${4 * made + 1}`, `${subnet}.${4 * made + 2}`];
    const namespace = new NetworkNamespace(name, hostAddress);
    await run('ip', ['netns', 'add', name]);
    try {
      await run('ip', ['link', 'add', host, 'type', 'veth', 'peer', 'name', guest, 'netns', name]);
      await run('ip', ['address', 'add', `${hostAddress}/30`, 'dev', host]);
      await run('ip', ['link', 'set', host, 'up']);
      await run('ip', ['-n', name, 'link', 'set', guest, 'name', 'eth0']);
      await run('ip', ['-n', name, 'address', 'add', `${guestAddress}/30`, 'dev', 'eth0']);
      await run('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
      await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
      return namespace;
    } catch (error) {
      await namespace[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Drops every packet that comes in, goes out, or both; nobody is told. */
  async drop(chains: readonly ('INPUT' | 'OUTPUT')[] = ['INPUT', 'OUTPUT']): Promise<void> {
    for (const chain of chains) await run('ip', ['netns', 'exec', this.name, 'iptables', '-A', chain, '-j', 'DROP']);
  }

  async heal(): Promise<void> {
    await run('ip', ['netns', 'exec', this.name, 'iptables', '-F']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The cable goes with it.
    await run('ip', ['netns', 'delete', this.name]);
  }
}
