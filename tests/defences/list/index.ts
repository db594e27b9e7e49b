/** All defences, in the order in which they are reported. */
import type { Defence } from '../defence.ts';
import { cluster } from './cluster.ts';
import { looking } from './looking.ts';
import { references } from './references.ts';
import { rows } from './rows.ts';
import { stores } from './stores.ts';
import { userCode } from './user-code.ts';

export const DEFENCES: readonly Defence[] = [...references, ...rows, ...stores, ...cluster, ...userCode, ...looking];
