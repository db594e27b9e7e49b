/** The row of a task, how runs are asked for, and how answers are judged; numbered in the order of the original's tables. */
import { better, differs, holds, later, notOffered, type Section } from '../row.ts';

const MODEL = 'agents with a model are a later version’s work; a framework of one’s own may be one';

export const scoring: Section = {
  title: 'Rows (3A), modes (3B), scoring (3C)',
  rows: [
    holds('3A-01', 'identity: task, instance, database'),
    holds('3A-02', 'whether each phase passed'),
    holds('3A-03', 'the reward'),
    holds('3A-04', 'the SQL that was submitted'),
    holds('3A-05', 'the query that was submitted, where there is one'),
    holds('3A-06', 'the gold SQL, a text or the first of a list'),
    holds('3A-07', 'an error is a text; a wrong answer is none'),
    holds('3A-08', 'one word for how the submission went'),
    holds('3A-09', 'what the evaluator said'),
    holds('3A-10', 'snapshots of both results'),
    holds('3A-11', 'turns and seconds'),
    holds('3A-12', 'what the model calls cost, by model'),
    holds('3A-13', 'which tools were called'),
    differs('3A-14', 'the messages of the agent', 'of frameworks of one’s own; kept in the row and in eval.json'),
    holds('3A-15', 'what was hidden from the task'),
    holds('3A-16', 'verdicts by audited and original gold'),
    holds('3A-17', 'when it began, and what was asked'),
    holds('3A-18', 'every key is there on every row'),

    holds('3B-01', 'oracle submits the gold SQL, whatever the framework'),
    later('3B-02', 'a-interact: an agent with tools and a simulated user', `${MODEL}; encode runs under this mode`),
    later('3B-03', 'c-interact: questions in turns', MODEL),
    notOffered('3B-04', 'one-shot', 'for other benchmarks, out of scope'),
    later('3B-05', 'what actions cost, and when an agent must submit', MODEL),
    differs('3B-06', 'raw: SQL straight from the agent', 'by a framework of one’s own; agents with a model come later'),
    later('3B-07', 'slayer: queries over the semantic layer', `${MODEL}; the store of a task is made and masked`),
    differs(
      '3B-08',
      'the frameworks by name',
      'encode under its old name too; those that need a model are refused as such',
    ),
    holds('3B-09', 'which setup goes with which mode and framework'),

    holds('3C-01', 'a dry run that cannot write; its error costs nothing'),
    better('3C-02', 'a pristine database for each submission', 'each task has a copy of its own'),
    better('3C-03', 'an error or a timeout fails with its text', 'a statement without end is killed with its process'),
    holds('3C-04', 'the default test: what is cleaned off, rounded and sorted'),
    holds('3C-05', 'sets, or lists where order counts; empty equals empty only'),
    notOffered(
      '3C-06',
      'test cases in Python',
      'no Python runs here: such a task ends as an infrastructure error that says so, never as a wrong answer',
    ),
    holds('3C-07', 'one for a pass, nothing for a fail'),
    holds('3C-08', 'audited gold replaces what was edited and keeps the original beside it'),
    holds('3C-09', 'nothing submitted is never scored'),
  ],
};
