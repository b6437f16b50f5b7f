/**
 * Why there was no answer, as a sentence; and whether that can't change by itself: what is `unusable` need not be tried again where nothing was ever
 * answered. Errors of TLS are told by their codes, which are those of OpenSSL and of Node.
 */
import { documentAt } from '../documents.ts';
import { Unusable } from './cluster.ts';

export interface Failure {
  message: string;
  unusable?: true;
}

const TRANSIENT: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused: nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  EAI_AGAIN: 'the host name could not be looked up (DNS)',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
};

const UNTRUSTED = 'its certificate is not trusted: name its certificate authority';

/** Said of the server, which comes before. */
const LASTING: Record<string, string> = {
  ENOTFOUND: 'host name not found (DNS): check the spelling, and the network from which it can be seen',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed and not trusted: name its certificate authority',
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  CERT_UNTRUSTED: UNTRUSTED,
  CERT_SIGNATURE_FAILURE: 'its certificate is not from the certificate authority that is named: get the present one',
  CERT_HAS_EXPIRED: 'its certificate has expired: renew it (and check the clock of this machine)',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: check the clock of this machine',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it requires a client certificate: add one to the kubeconfig',
  HPE_INVALID_CONSTANT: 'it does not speak HTTP: check the port, or use https://',
};

export function whyBroken(error: unknown, server: string): Failure {
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  if (error instanceof Unusable) return { message, unusable: true };
  if (TRANSIENT[code]) return { message: TRANSIENT[code] };
  const lasting = lastingReason(code, error as Error);
  // Which server: with a proxy, or after a redirected name, it may not be the one that the reader thinks of.
  return lasting === undefined
    ? { message }
    : { message: `${server}: ${lasting} (${documentAt('clusters.md#connection')})`, unusable: true };
}

function lastingReason(code: string, error: Error): string | undefined {
  if (LASTING[code]) return LASTING[code];
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { cert, host } = error as Error & { cert?: { subjectaltname?: string }; host?: string };
    return `its certificate is for ${cert?.subjectaltname ?? 'another name'}, not for ${host}: use one of these names, or set tls-server-name`;
  }
  if (/^ERR_SSL_(?:SSLV3|TLSV1|TLSV13)_ALERT_(?:BAD|UNSUPPORTED|CERTIFICATE|UNKNOWN_CA|ACCESS)/.test(code))
    return `it does not accept the client certificate (${code}): check that it is for this cluster, and has not expired`;
  if (/wrong version number|packet length too long|http request/.test(error.message))
    return 'it does not speak TLS: check the port, or use http://';
  return undefined;
}
