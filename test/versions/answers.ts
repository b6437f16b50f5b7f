/**
 * What API servers of different versions answer to the same request: the one place that says so. The embedded server answers as the newest does. A row of
 * a version has what was seen on it, and only what differs.
 */
import { chosenMinor } from './chosen.ts';

export interface Answers {
  /** A version of 0, or none, where the object exists. */
  noResourceVersion: string;
  annotationsTooLong: RegExp;
  /** A PUT that would create, where update is allowed and create is not. */
  createForbidden: string;
  /** A body that is no JSON, or of a kind that the server does not know. */
  unreadOptions: { status: number; reason: string | undefined };
  unreadResourceVersion: { status: number; reason: string | undefined };
  /** To a Lease with strategy and preferredHolder. */
  coordinatedWarning: string | undefined;
  /** What the first bookmark of a watch has as k8s.io/initial-events-end. */
  initialEventsEnd: 'true' | undefined;
}

const NEWEST: Answers = {
  noResourceVersion: 'Invalid value: 0: must be specified for an update',
  annotationsTooLong: /metadata\.annotations: Too long: may not be more than 262144 bytes$/,
  createForbidden: 'cannot create resource "leases"',
  unreadOptions: { status: 400, reason: 'BadRequest' },
  unreadResourceVersion: { status: 400, reason: 'BadRequest' },
  coordinatedWarning: undefined,
  initialEventsEnd: 'true',
};

const OLDER: Record<number, Partial<Answers>> = {
  29: {
    noResourceVersion: 'Invalid value: 0x0: must be specified for an update',
    annotationsTooLong: /metadata\.annotations: Too long: must have at most 262144 bytes$/,
    createForbidden: '"deploy" is forbidden: \\.',
    unreadOptions: { status: 500, reason: undefined },
    unreadResourceVersion: { status: 500, reason: undefined },
    coordinatedWarning: '299 - "unknown field \\"spec.strategy\\"", 299 - "unknown field \\"spec.preferredHolder\\""',
    // Its bookmarks only say how far it has come, two seconds before the watch ends.
    initialEventsEnd: undefined,
  },
  34: { unreadOptions: { status: 500, reason: undefined } },
};

export const answersOf = (server: 'embedded' | 'real'): Answers => ({
  ...NEWEST,
  ...(server === 'real' && OLDER[chosenMinor()]),
});
