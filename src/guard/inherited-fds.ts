/**
 * The descriptors that this process was given beside standard input, output and error. Node marks them to be closed in children; a command
 * expects them as it would under `env` or `flock`. To be asked at the start, before this process opens any of its own.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

interface Descriptor {
  fd: number;
  target: string;
  /** Of a pipe. */
  writes?: boolean;
}

/** Linux only; elsewhere there are none to be seen. */
export function inheritedDescriptors(): number[] {
  const open = readDescriptors();
  return open.filter((one) => one.fd > 2 && !isOurs(one, open)).map(({ fd }) => fd);
}

/** Node's own are event queues, the null device, and pipes of which it has both ends. */
function isOurs({ target, writes }: Descriptor, open: Descriptor[]): boolean {
  if (target.startsWith('anon_inode:') || target === '/dev/null' || target.startsWith('/proc/')) return true;
  return target.startsWith('pipe:') && open.some((other) => other.target === target && other.writes !== writes);
}

function readDescriptors(): Descriptor[] {
  try {
    return readdirSync('/proc/self/fd').flatMap((name) => readDescriptor(name));
  } catch {
    return []; // No /proc, as outside Linux.
  }
}

function readDescriptor(name: string): Descriptor[] {
  try {
    const [fd, target] = [Number(name), readlinkSync(`/proc/self/fd/${name}`)];
    return [target.startsWith('pipe:') ? { fd, target, writes: isForWriting(fd) } : { fd, target }];
  } catch {
    return []; // The one through which the folder was read: it is closed by now.
  }
}

function isForWriting(fd: number): boolean {
  const [, flags = '0'] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? [];
  return (Number.parseInt(flags, 8) & 3) !== 0;
}
