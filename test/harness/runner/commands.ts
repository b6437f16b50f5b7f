/** What a phase tells its runner: commands on stdout, and the files for outputs, environment and state. */
import type { Annotation, PhaseResult } from './types.ts';

/** `name=value` lines and `name<<DELIMITER` blocks. */
export function parseFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.split('\n');
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name, delimiter] = /^([^=<]+)<<(.+)$/.exec(line) ?? [];
    if (name !== undefined && delimiter !== undefined) {
      const end = lines.indexOf(delimiter);
      if (end < 0) throw new Error(`no end of ${line}`);
      values[name] = lines
        .splice(0, end + 1)
        .slice(0, -1)
        .join('\n');
    } else if (line.includes('=')) values[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
  }
  return values;
}

export function parseCommands(text: string): Pick<PhaseResult, 'annotations' | 'groups'> {
  const annotations: Annotation[] = [];
  const groups: string[] = [];
  let resume: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, command, properties = '', data = ''] = /^::([\w-]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)$/.exec(line) ?? [];
    if (resume !== undefined) {
      if (command === resume) resume = undefined;
    } else if (command === 'stop-commands') resume = data;
    else if (command === 'group') groups.push(unescapeData(data));
    else if (command === 'error' || command === 'warning' || command === 'notice') {
      const [, title = ''] = /(?:^|,)title=([^,]*)/.exec(properties) ?? [];
      annotations.push({
        level: command,
        title: unescapeData(title).replaceAll('%3A', ':').replaceAll('%2C', ','),
        message: unescapeData(data),
      });
    }
  }
  return { annotations, groups };
}

export const unescapeData = (text: string): string => text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
