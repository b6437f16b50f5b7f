/** Where the milliseconds of a hand-over go: what trace.mjs has noted in the guards, between the end of one command and the start of the next. */
import { readFileSync } from 'node:fs';

interface Note {
  pid: string;
  at: number;
  what: string;
}

/** In milliseconds since the end of the one command; undefined where a step was not seen. */
export type Steps = Record<string, number | undefined>;

export function stepsOf(traceFile: string, markFile: string): Steps[] {
  const linesOf = (file: string) => readFileSync(file, 'utf8').trim().split('\n');
  const notes: Note[] = linesOf(traceFile).map((line) => {
    const [pid = '', at = '', what = ''] = line.split(' ');
    return { pid, at: Number(at), what };
  });
  notes.sort((a, b) => a.at - b.at);
  const commands = linesOf(markFile).map((line) => line.split(' ').map(Number));
  commands.sort(([a = 0], [b = 0]) => a - b);
  return commands.slice(1).map(([start = 0], i) => stepsBetween(notes, commands[i]?.[1] ?? 0, start));
}

function stepsBetween(notes: readonly Note[], end: number, start: number): Steps {
  const within = notes.filter(({ at }) => at >= end && at <= start);
  const exited = within.find(({ what }) => what === 'exited-heard');
  const startSent = within.findLast(({ what }) => what === 'start-sent');
  const releaser = within.filter(({ pid }) => pid === exited?.pid);
  const next = within.filter(({ pid }) => pid === startSent?.pid);
  const claim = next.find(({ what }) => what === 'PUT-sent');
  const ms = (note: Note | undefined) => note && (note.at - end) / 1e6;
  return {
    'supervisor said that it ended': ms(exited),
    'every process known to be gone': ms(releaser.find(({ what }) => what === 'gone-heard')),
    'release sent': ms(releaser.find(({ what }) => what === 'PUT-sent')),
    'release answered': ms(releaser.find(({ what }) => what === 'PUT-answered')),
    'event at the next': ms(next.find(({ what, at }) => what === 'event-heard' && at <= ((claim ?? startSent)?.at ?? 0))),
    'claim sent': ms(claim),
    'claim answered': ms(next.find(({ what }) => what === 'PUT-answered')),
    'start sent to its supervisor': ms(startSent),
    'command runs': (start - end) / 1e6,
  };
}
