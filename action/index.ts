/**
 * The bundle of the Action: one function for each process that it starts. action/dist/pre.js and the others call one each. Only here is the process
 * around it read.
 */
import { keepLock } from './keeper.ts';
import * as phases from './phases.ts';
import { sayWhatFailed } from './report.ts';

export const pre = () => phases.pre(process.env).catch(sayWhatFailed);
export const main = () => phases.main(process.env).catch(sayWhatFailed);
export const post = () => phases.post(process.env).catch(sayWhatFailed);
export const keeper = () => keepLock(process.stdin);
