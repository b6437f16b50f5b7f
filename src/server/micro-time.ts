/**
 * The one form in which the API takes and prints a Lease's times: RFC 3339 with exactly six fractional digits, printed in UTC.
 * What is refused, and in which words, follows the real server. No time is read here.
 */
const LAYOUT = '2006-01-02T15:04:05.000000Z07:00';

/** The zero time of Go's `time.Time`; the API prints it as null. */
const ZERO = '0001-01-01T00:00:00.000000Z';

/** What each step takes, and the name of the step in the server's error message. The hour may have one digit, as in Go. */
const STEPS: readonly [RegExp, string][] = [
  [/^\d{4}/, '2006'],
  [/^-/, '-'],
  [/^\d{2}/, '01'],
  [/^-/, '-'],
  [/^\d{2}/, '02'],
  [/^T/, 'T'],
  [/^\d{1,2}/, '15'],
  [/^:/, ':'],
  [/^\d{2}/, '04'],
  [/^:/, ':'],
  [/^\d{2}/, '05'],
  [/^[.,]\d{6}/, '.000000'],
  [/^(Z|[+-]\d{2}:\d{2})/, 'Z07:00'],
];

export type ParsedTime = { value: string | null } | { error: string };

export function parseMicroTime(text: string): ParsedTime {
  const taken: string[] = [];
  let rest = text;
  for (const [pattern, element] of STEPS) {
    const found = pattern.exec(rest)?.[0];
    if (found === undefined)
      return { error: `parsing time ${quote(text)} as "${LAYOUT}": cannot parse ${quote(rest)} as "${element}"` };
    taken.push(found);
    rest = rest.slice(found.length);
  }
  if (rest) return { error: `parsing time ${quote(text)}: extra text: ${quote(rest)}` };
  const [year, , month, , day, , hour, , minute, , second] = taken.map(Number);
  const fraction = (taken[11] ?? '').slice(1);
  const fields = { year: year ?? 0, month: month ?? 0, day: day ?? 0, hour: hour ?? 0, minute: minute ?? 0, second: second ?? 0 };
  const outOfRange = firstOutOfRange(fields);
  if (outOfRange) return { error: `parsing time ${quote(text)}: ${outOfRange} out of range` };
  const date = new Date(0);
  date.setUTCFullYear(fields.year, fields.month - 1, fields.day);
  date.setUTCHours(fields.hour, fields.minute - offsetMinutes(taken[12] ?? 'Z'), fields.second);
  const value = `${date.toISOString().slice(0, 19)}.${fraction}Z`;
  return { value: value === ZERO ? null : value };
}

function firstOutOfRange(time: {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}): string | undefined {
  if (time.month < 1 || time.month > 12) return 'month';
  if (time.hour > 23) return 'hour';
  if (time.minute > 59) return 'minute';
  if (time.second > 59) return 'second';
  const lastDay = new Date(Date.UTC(2000 + (time.year % 400), time.month, 0)).getUTCDate();
  return time.day < 1 || time.day > lastDay ? 'day' : undefined;
}

function offsetMinutes(zone: string): number {
  if (zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return zone.startsWith('-') ? -minutes : minutes;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
