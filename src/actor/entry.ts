/**
 * A thread that hosts one actor: the file of piscina's task, which lasts as long as the actor. It imports the user's
 * module, constructs the class, and serves calls from the port.
 *
 * Invariants:
 * E1 this task never returns. The thread ends with its actor, so no later actor can inherit its globals.
 * E2 user code is loaded in here, in a try: a module that throws is a message, not a hung pool.
 * E3 a throw that no call answers for ends the thread, named.
 * E4 a secret of the actor is known before any code of the user's runs, so that nothing it prints shows it.
 * E5 nothing heavy is imported: this file's graph is what an idle actor costs.
 */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';

import { isClass, shapeOf, type AnyClass } from '../kernel/class-shape.ts';
import { asError, errorFromWire, errorToWire, SkeinError, type WireError } from '../kernel/errors.ts';
import { armFailPoint } from '../kernel/failpoint.ts';
import { knowSecrets } from '../kernel/mask.ts';
import { Secrets } from '../kernel/secrets.ts';
import { snapshot } from '../kernel/snapshot.ts';
import { actorHolder } from './context.ts';
import { LogCapture } from './log-capture.ts';
import { ActorExit, Mailbox } from './mailbox.ts';
import type { ActorSpec, FromActor, ToActor } from './messages.ts';

/** How many calls an async actor runs at once unless told (ray-compatibility 1.4). */
const ASYNC_CONCURRENCY = 1000;

/** The key by which an exported actor class (`ray.remote(…)`) shows the class in it. */
const WRAPPED = Symbol.for('skein.actorClass');

/** piscina's handler. Never settles (E1). */
export default async function host(task: { port: MessagePort; spec: ActorSpec }): Promise<never> {
  const { port, spec } = task;
  const send = (frames: FromActor[]): void => port.postMessage(frames);
  send([['hello']]);
  const end = (code: number, ...last: FromActor[]): never => {
    for (const frame of last) mailbox.post(frame);
    mailbox.flush();
    process.exit(code);
  };
  const holder = actorHolder();
  let instance: Partial<AsyncDisposable & Disposable> | undefined;
  const mailbox = new Mailbox({
    className: spec.className,
    holder,
    send,
    lookAhead() {
      for (;;) {
        const received = receiveMessageOnPort(port) as { message: readonly ToActor[] } | undefined;
        if (received === undefined) return;
        deliver(received.message);
      }
    },
    onDrained: () => void leave(),
  });
  const leave = async (): Promise<void> => {
    try {
      const dispose: (() => unknown) | undefined = instance?.[Symbol.asyncDispose] ?? instance?.[Symbol.dispose];
      await dispose?.call(instance);
    } catch (error) {
      log.write(`${spec.className}: its disposer threw: ${asError(error).stack}\n`);
    }
    end(0, ['leaving']);
  };

  const crash = (how: string) => (thrown: unknown) => {
    const text = `${spec.className}: ${how} ${mailbox.whereabouts}: ${asError(thrown).message}`;
    const error = new SkeinError('INTERNAL', text, { cause: thrown });
    log.write(`${asError(thrown).stack}\n`);
    end(1, ['crashed', errorToWire(error)]);
  };
  process.on('uncaughtException', crash('uncaught exception'));
  process.on('unhandledRejection', crash('unhandled rejection'));
  // `process.exit` in user code: what was finished before it is told.
  process.on('exit', () => mailbox.flush());

  armFailPoint(spec.failPoint);
  const ownEnv = (name: string): [string, string][] => (process.env[name] ? [[name, process.env[name]]] : []);
  knowSecrets(new Secrets(Object.fromEntries(spec.secretNames.flatMap(ownEnv))));
  let log: LogCapture;
  try {
    log = new LogCapture(spec.logPath, (path) => send([['logs-to', path]]), spec.logPauseBytes);
  } catch (error) {
    return end(1, ['load-failed', errorToWire(error)]);
  }
  if (spec.beatMs > 0) setInterval(() => send([['beat']]), spec.beatMs).unref();

  const asks = new Map<number, PromiseWithResolvers<unknown>>();
  let nextAskId = 1;
  holder.actor = {
    actorId: spec.actorId,
    className: spec.className,
    restarts: spec.restarts,
    get logPath() {
      return log.path;
    },
    async ask(service, payload) {
      const copy = snapshot(payload);
      const pending = Promise.withResolvers<unknown>();
      const askId = nextAskId++;
      asks.set(askId, pending);
      mailbox.post(['ask', askId, service, copy]);
      return pending.promise;
    },
    redirectLog: (path) => log.redirect(path),
    log: (line) => log.write(`${line}\n`),
    exit() {
      mailbox.leave();
      throw new ActorExit('this actor exits');
    },
  };
  const answer = (askId: number, value: unknown, error: WireError | undefined): void => {
    const pending = asks.get(askId);
    asks.delete(askId);
    if (error) pending?.reject(errorFromWire(error));
    else pending?.resolve(value);
  };
  const deliver = (frames: readonly ToActor[]): void => {
    for (const frame of frames) {
      switch (frame[0]) {
        case 'call':
          mailbox.take(frame[1], frame[2], frame[3]);
          break;
        case 'cancel':
          mailbox.cancel(frame[1]);
          break;
        case 'answer':
          answer(frame[1], frame[2], frame[3]);
          break;
        case 'terminate':
          mailbox.end();
          break;
      }
    }
  };
  port.on('message', (frames: readonly ToActor[]) => {
    deliver(frames);
    mailbox.advance();
  });

  let actorClass: AnyClass;
  try {
    actorClass = await load(spec);
  } catch (error) {
    return end(1, ['load-failed', errorToWire(error)]);
  }
  try {
    instance = new actorClass(...(spec.args as never[]));
  } catch (error) {
    log.write(`${asError(error).stack}\n`);
    return end(1, error instanceof ActorExit ? ['leaving'] : ['constructor-failed', errorToWire(error)]);
  }
  const shape = shapeOf(actorClass);
  const isAsync = spec.isAsync ?? shape.isAsync;
  mailbox.post(['ready', shape.methods, isAsync]);
  mailbox.open(instance, new Set(shape.methods), spec.maxConcurrency ?? (isAsync ? ASYNC_CONCURRENCY : 1));
  return new Promise<never>(() => {});
}

/** @throws SkeinError NOT_FOUND, or whatever the module throws */
async function load(spec: ActorSpec): Promise<AnyClass> {
  const { module, exportName } = spec.location;
  const namespace = (await import(module)) as Record<string, unknown>;
  const exported = namespace[exportName] as { [WRAPPED]?: unknown } | undefined;
  const actorClass = exported?.[WRAPPED] ?? exported;
  if (isClass(actorClass)) return actorClass;
  const found = Object.keys(namespace).join(', ') || 'nothing';
  throw new SkeinError(
    'NOT_FOUND',
    `${module} exports no class ${exportName}; it exports ${found}. An actor's class is found by import: export it, or name its export by exportName`,
  );
}
