/**
 * Why the API server refuses what it has understood, told apart by its own words: it answers 403 where a right is missing, a quota is used up, a namespace
 * is being deleted, and where a policy or a webhook denies. Only for the first more rights would help.
 */
import { documentAt } from '../documents.ts';

/**
 * Why a request was refused. `credentials`: 401. `rights`: RBAC does not allow it. `policy`: an admission policy or webhook refused it; `not-yours`:
 * that in deploy/holders, since the id is not the caller's. `quota`: no more objects there. `namespace`: it does not exist, or is being deleted.
 * `invalid`: the API server can't accept the object, or the request.
 */
export type Refusal = 'credentials' | 'rights' | 'policy' | 'not-yours' | 'quota' | 'namespace' | 'invalid';

export interface Refused {
  reason: Refusal;
  /** What to do about it, as sentences. */
  fix: string;
}

/** The Lease that was asked for. */
interface Subject {
  namespace: string;
  name: string;
  server: string;
}

/** Admission may answer with any status. */
const ADMISSION = /ValidatingAdmissionPolicy|admission webhook "[^"]*" denied the request/;
/** The policy in deploy/holders, and what it answers where an id is not the caller's. */
const OURS = "ValidatingAdmissionPolicy 'lease-lock-holders'";
const NOT_YOURS = 'is not yours: it must be';

/** Undefined where it is not admission that refuses. */
export function admissionRefusal(why: string): Refused | undefined {
  if (!ADMISSION.test(why)) return undefined;
  if (why.includes(OURS))
    return { reason: why.includes(NOT_YOURS) ? 'not-yours' : 'policy', fix: `See ${documentAt('theft.md')}` };
  return { reason: 'policy', fix: 'More rights do not help: change what that policy or webhook denies, or ask who runs it' };
}

/** What a 403 that no admission has given is about. */
export function forbidden(why: string, asked: Subject): Refused {
  const quota = /exceeded quota: ([^,]+)|status unknown for quota: ([^,]+)/.exec(why);
  if (quota) {
    const name = quota[1] ?? quota[2];
    return { reason: 'quota', fix: `Raise the ResourceQuota ${name} in namespace ${asked.namespace}, or delete Leases there` };
  }
  if (why.includes('because it is being terminated'))
    return { reason: 'namespace', fix: `The namespace ${asked.namespace} is being deleted: use another, or create it again` };
  const user = /User "([^"]*)" cannot/.exec(why)?.[1];
  if (user === 'system:anonymous')
    return {
      reason: 'rights',
      fix: `The request had no credentials, or none that ${asked.server} knows: give a token, or a kubeconfig whose user has one`,
    };
  return { reason: 'rights', fix: rights(asked, user) };
}

function rights({ namespace, name }: Subject, user: string | undefined): string {
  const who = user === undefined ? 'WHOM' : subjectOf(user);
  return (
    `Allow get, watch, create and update on leases.coordination.k8s.io with resourceNames ["${name}"] in namespace ${namespace}: ` +
    `k8s-lease-lock rbac --name ${name} -n ${namespace} --for ${who} | kubectl apply -f - (${documentAt('rbac.md')})`
  );
}

/** As `rbac --for` wants it. */
function subjectOf(user: string): string {
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user);
  const subject = account ? `serviceaccount:${account[1]}/${account[2]}` : `user:${user}`;
  return /^[\w@%+=:,./-]+$/.test(subject) ? subject : `'${subject.replaceAll("'", "'\\''")}'`;
}
