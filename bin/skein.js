#!/usr/bin/env node
/*
 * The `skein` command. It runs on Node 24 or later; started by an older one it goes on under the Node 24 that npm
 * installed beside this package, or says in one line what it needs.
 *
 * Only syntax and modules of Node 14 here: an old Node must be able to read this file.
 *
 * Invariants: B1 a signal that this process gets reaches the command once. B2 the command ends when this process does,
 * also by SIGKILL: it holds the other end of a pipe. B3 the exit code, or the signal, is the command's.
 */
import { spawn } from 'child_process';
import { existsSync } from 'fs';
import * as nodeModule from 'module';
import { constants } from 'os';
import { fileURLToPath } from 'url';

const NEEDED_MAJOR = 24;
const LAUNCHER = 'SKEIN_LAUNCHER';
const LIFELINE_FD = 3;

const here = fileURLToPath(import.meta.url);
const main = new URL('../dist/cli/main.js', import.meta.url);

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) run();
else goOnUnderOwnNode();

function run() {
  if (!existsSync(main)) {
    return fail('dist/ is not built: run npm run build in ' + fileURLToPath(new URL('..', import.meta.url)), 2);
  }
  // Rows, logs and shards are files and syncs by the thousand; libuv's four threads would be their bottleneck.
  process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || '16';
  // A tenth of a second less at each start. Kept in the package, where nobody else writes; where we may not either, there is none.
  process.env.NODE_COMPILE_CACHE =
    process.env.NODE_COMPILE_CACHE || fileURLToPath(new URL('../.cache/compile', import.meta.url));
  nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE);
  const launcher = process.env[LAUNCHER];
  delete process.env[LAUNCHER];
  if (launcher) void import('net').then((net) => dieWithLauncher(net.Socket));
  void import(main.href);
}

/** B2: the pipe ends when the launcher does, whatever ended it. */
function dieWithLauncher(Socket) {
  const lifeline = new Socket({ fd: LIFELINE_FD, readable: true, writable: false });
  const die = () => process.kill(process.pid, 'SIGKILL');
  lifeline.on('end', die).on('error', die).resume().unref();
}

function goOnUnderOwnNode() {
  const node = ownNode();
  if (!node) {
    const today = 'this is ' + process.version + ' on ' + process.platform + '-' + process.arch;
    return fail('skein needs Node ' + NEEDED_MAJOR + ' or later; ' + today + ' and npm ci has brought none', 2);
  }
  const args = [here].concat(process.argv.slice(2));
  // Same process, same parent, same terminal: nothing to forward.
  if (typeof process.execve === 'function') {
    process.emitWarning = () => {};
    try {
      process.execve(node, [node].concat(args), process.env);
    } catch {
      // Fall through to a child.
    }
  }
  startChild(node, args);
}

function ownNode() {
  try {
    const name = 'node-' + process.platform + '-' + process.arch;
    const path = nodeModule.createRequire(import.meta.url).resolve(name + '/bin/node');
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

function startChild(node, args) {
  // A session of its own: a Ctrl-C at the terminal reaches this process alone, which hands it on once (B1).
  const child = spawn(node, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    detached: true,
    env: Object.assign({}, process.env, { [LAUNCHER]: '1' }),
  });
  const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGWINCH'];
  const forward = (signal) => child.kill(signal);
  forwarded.forEach((signal) => process.on(signal, forward));
  child.on('error', (error) =>
    fail('skein needs Node ' + NEEDED_MAJOR + '; ' + node + ' cannot run: ' + error.message, 2),
  );
  child.on('close', (code, signal) => {
    forwarded.forEach((name) => process.removeListener(name, forward));
    if (!signal) return void (process.exitCode = code);
    // B3: end as the command did. A signal that does not end this process becomes the code a shell would show.
    process.kill(process.pid, signal);
    setTimeout(() => process.exit(128 + (constants.signals[signal] || 0)), 1000);
  });
}

function fail(text, code) {
  process.stderr.write('skein: ' + text + '\n');
  process.exitCode = code;
}
