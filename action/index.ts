/** The bundle of the Action: one function for each process that it starts. action/dist/pre.js and the others call one each. */
export { beWatchdog as watchdog } from '../src/guard/watchdog-process.ts';
export { keeper } from './keeper.ts';
export { main, post, pre } from './phases.ts';
