/**
 * The command line as a whole: which commands there are, and from the typed arguments to one of them. yargs splits the
 * arguments and writes the helps; what it makes of them is checked in `flags.ts`.
 *
 * Invariant: only the module of the command that was typed is loaded, so that helps and mistakes are answered at once.
 */
import yargs from 'yargs';

import { SkeinError } from '../kernel/errors.ts';
import { VERSION } from '../kernel/version.ts';
import type { Command } from './command.ts';
import type { CliContext } from './context.ts';
import { OK, REFUSED } from './exit-code.ts';
import { flagsOf, nearest, PARSER, type Flags } from './flags.ts';

/** In the order in which a person meets them. */
const COMMANDS: readonly { readonly name: string; readonly describe: string; load(): Promise<Command> }[] = [
  {
    name: 'submit',
    describe: 'Run tasks of a dataset, and bring the results home',
    load: async () => (await import('./commands/submit.ts')).submit,
  },
  {
    name: 'resume',
    describe: 'Go on with a run that was interrupted',
    load: async () => (await import('./commands/resume.ts')).resume,
  },
  {
    name: 'resubmit',
    describe: 'Run again what has no good row: absent, unreadable or an error, as the next attempt',
    load: async () => (await import('./commands/resubmit.ts')).resubmit,
  },
  {
    name: 'wait',
    describe: 'Wait until a run ends',
    load: async () => (await import('./commands/wait.ts')).wait,
  },
  {
    name: 'fetch',
    describe: 'Bring the results of a run home, at any time',
    load: async () => (await import('./commands/fetch.ts')).fetch,
  },
  {
    name: 'list',
    describe: 'List the runs of a store, or show one of them',
    load: async () => (await import('./commands/list.ts')).list,
  },
  {
    name: 'pin',
    describe: 'Keep a run for longer than its bucket does',
    load: async () => (await import('./commands/pin.ts')).pin,
  },
  {
    name: 'unpin',
    describe: 'Let a pinned run go as its bucket lets runs go',
    load: async () => (await import('./commands/pin.ts')).unpin,
  },
  {
    name: 'logs',
    describe: 'Show what the tasks of a run printed',
    load: async () => (await import('./commands/logs.ts')).logs,
  },
  {
    name: 'show',
    describe: 'Show one task of a run with all that it left',
    load: async () => (await import('./commands/show.ts')).show,
  },
  {
    name: 'diagnose',
    describe: 'Collect in one file what tells why a run does not go on',
    load: async () => (await import('./commands/diagnose.ts')).diagnose,
  },
  {
    name: 'kill',
    describe: 'Stop a run on a cluster; what has a row keeps it, and resume goes on',
    load: async () => (await import('./commands/kill.ts')).kill,
  },
  {
    name: 'encode',
    describe: 'Build the references of databases, without tasks',
    load: async () => (await import('./commands/encode.ts')).encode,
  },
  {
    name: 'start',
    describe: 'Run a head, or a node that joins one, until it is stopped',
    load: async () => (await import('./commands/start.ts')).start,
  },
  {
    name: 'status',
    describe: 'Show a head with its nodes, runs and store',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'stop',
    describe: 'Stop a daemon in good order; its runs stay open for its successor',
    load: async () => (await import('./commands/stop.ts')).stop,
  },
];

const EXIT_CODES =
  'Exit codes: 0 every id has a row without error · 1 some have error rows · 2 bad usage or failed preflight · ' +
  '3 not finished · 70 a bug of skein · 130 interrupted';

const EXAMPLES: Command['examples'] = [
  ['skein submit --dataset examples/mini-interact --all', 'run the example and print where the results are'],
  ['skein submit --help', 'what a command takes'],
];

/** A line to copy, and below it what it does: columns would break the line. */
function examplesText(examples: Command['examples']): string {
  return ['Examples:', ...examples.flatMap(([line, what]) => [`  ${line}`, `      ${what}`])].join('\n');
}

/** Does what `args` say. The exit code. @throws SkeinError */
export async function runProgram(args: readonly string[], context: CliContext): Promise<number> {
  const typed = args[0] === 'help' ? [...args.slice(1), '--help'] : [...args];
  const [first] = typed;
  if (first === '--version' || first === '-V') {
    context.out.line(VERSION);
    return OK;
  }
  const entry = COMMANDS.find(({ name }) => name === first);
  if (!entry) return await withoutCommand(first, context);
  const command = await entry.load();
  const parsed = await parse(command, typed, context);
  if (parsed.kind === 'flags') return await command.run(parsed.flags, context);
  context.out.line(parsed.text);
  return OK;
}

async function withoutCommand(first: string | undefined, { out, err }: CliContext): Promise<number> {
  const names = COMMANDS.map(({ name }) => name);
  if (first !== undefined && first !== '--help' && first !== '-h') {
    const meant = nearest(first, first.startsWith('-') ? ['--help', '--version'] : names);
    const hint = meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`;
    const what = first.startsWith('-')
      ? `unknown flag ${first} before a command`
      : `unknown command ${JSON.stringify(first)}`;
    throw new SkeinError('INVALID_INPUT', `${what}; ${hint}`);
  }
  const parser = base(out.stream.columns)
    .scriptName('skein')
    .usage('$0 <command>\n\nPer-database tasks on persistent actor threads; every result in a store that survives you.')
    .epilogue(`${examplesText(EXAMPLES)}\n\n${EXIT_CODES}`);
  for (const { name, describe } of COMMANDS) parser.command(name, describe);
  (first === undefined ? err : out).line(await parser.getHelp());
  return first === undefined ? REFUSED : OK;
}

type Parsed = { readonly kind: 'flags'; readonly flags: Flags } | { readonly kind: 'help'; readonly text: string };

async function parse(command: Command, args: readonly string[], { out }: CliContext): Promise<Parsed> {
  const slots = command.positionals.map(({ name, isOptional }) => (isOptional ? `[${name}]` : `<${name}>`));
  const needed = command.positionals.filter(({ isOptional }) => !isOptional).map(({ name }) => name.toUpperCase());
  const missing = (given: number): string => `${needed[given]} is missing: skein ${command.name} ${needed.join(' ')}`;
  const parser = base(out.stream.columns, missing)
    .scriptName('skein')
    .command({
      command: [command.name, ...slots].join(' '),
      describe: command.describe,
      builder: (own) => {
        for (const { name, describe } of command.positionals) own.positional(name, { type: 'string', describe });
        for (const [name, spec] of Object.entries(command.flags)) {
          own.option(name, {
            type: spec.value === undefined ? 'boolean' : 'string',
            describe: spec.value === undefined ? spec.describe : `${spec.value}: ${spec.describe}`,
            ...(spec.default !== undefined && { defaultDescription: spec.default }),
            ...(spec.alias !== undefined && { alias: spec.alias }),
            ...(spec.isHidden === true && { hidden: true }),
          });
        }
        return own.epilogue(`${examplesText(command.examples)}\n\n${EXIT_CODES}`);
      },
      handler: () => {},
    });
  let help = '';
  const argv = await parser.parseAsync([...args], {}, (_error, _argv, output) => void (help = output));
  if (help !== '') return { kind: 'help', text: help };
  return { kind: 'flags', flags: flagsOf(command, argv, args) };
}

/** @param missing the mistake of a command line with so many positionals, which are too few */
function base(columns = 100, missing: (given: number) => string = () => 'an argument is missing') {
  return yargs()
    .locale('en')
    .parserConfiguration(PARSER)
    .exitProcess(false)
    .version(false)
    .help('help')
    .alias('help', 'h')
    .showHelpOnFail(false)
    .wrap(Math.max(60, Math.min(columns, 120)))
    .fail((message, error) => {
      // Returning would let the parse go on. All that yargs itself finds wrong is a positional that is missing.
      const given = /^Not enough .*: got (\d+)/.exec(message)?.[1];
      throw error ?? new SkeinError('INVALID_INPUT', given === undefined ? message : missing(Number(given)));
    });
}
