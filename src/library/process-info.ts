/**
 * What the library takes from the process that it runs in: its environment, its host, its user. The one file of the library that does: nobody hands
 * them in.
 */
import { env } from 'node:process';
import { hostInfo } from '../host.ts';

export interface ProcessInfo {
  env: Readonly<Record<string, string | undefined>>;
  host: string;
  user: string | undefined;
}

export const processInfo = (): ProcessInfo => ({ env, ...hostInfo() });
