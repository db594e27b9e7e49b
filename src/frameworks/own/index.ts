/** `skein/framework`: the types of a framework of one's own. Nothing of it is code, so a bundle gets none of Skein's. */
export type {
  AgentContext,
  AgentSettings,
  AgentTask,
  Answer,
  KnowledgeStore,
  OwnFramework,
  OwnFramework as Framework,
  OwnFrameworkExport,
  SetupContext,
  UsageCounter,
  UsagePart,
} from './interface.ts';
export type { SqlOutcome, SqlSession, SubmissionStatus, TaskRow, Usage } from '../framework.ts';
export type { KbRow, Task } from '../../dataset/task.ts';
export type { Aggregation, Column, Entity, Join, Measure, Memory, Model, SetupResult } from '../../reference/model.ts';
