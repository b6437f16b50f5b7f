/**
 * An issuer of OIDC tokens like GitHub's: discovery and keys over TLS on loopback, for an API server of the test's own, and the endpoint
 * that a job asks for tokens. What it says of the job, for how long, and under which key, is the test's to choose.
 */
import { execFileSync } from 'node:child_process';
import { createSign, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Issued {
  audience: string;
  token: string;
  /** Seconds since 1970. */
  exp: number;
}

export interface Issuer {
  url: string;
  /** Every token that a job has been given. */
  readonly issued: readonly Issued[];
  /** What jobs with the permission `id-token: write` have in their environment. */
  env: { ACTIONS_ID_TOKEN_REQUEST_URL: string; ACTIONS_ID_TOKEN_REQUEST_TOKEN: string };
  /** What tokens say from now on: other claims, another life, or none at all but this HTTP status. */
  set(next: Setting): void;
  /** An AuthenticationConfiguration that trusts this issuer for the organisation acme and the audience k8s-lease-lock. */
  authenticationConfig(): string;
  close(): Promise<void>;
}

const AUDIENCE = 'k8s-lease-lock';
const REQUEST_TOKEN = 'a-request-token-of-the-job';

interface Setting {
  claims?: Record<string, unknown>;
  lifeSeconds?: number;
  status?: number;
}

export async function startIssuer(): Promise<Issuer> {
  const { certificate, key } = selfSigned();
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', use: 'sig', alg: 'RS256' };
  const issued: Issued[] = [];
  let setting: Setting = {};
  const issuer = createServer({ cert: certificate, key }, (request, response) => {
    const document = documentsOf(url, jwk)[request.url ?? ''];
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(document ?? {}));
  });
  const url = `https://127.0.0.1:${await listen(issuer)}`;
  const endpoint = tokenEndpoint(
    () => setting,
    (audience) => {
      const next = sign(privateKey, url, { audience, setting });
      issued.push(next);
      return next;
    },
  );
  const port = await listen(endpoint);
  return {
    url,
    issued,
    env: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/idtoken/job-1?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN,
    },
    set(next) {
      setting = next;
    },
    authenticationConfig: () => authenticationConfig(url, certificate),
    async close() {
      await Promise.all([issuer, endpoint].map((server) => closed(server)));
    },
  };
}

const documentsOf = (url: string, jwk: object): Record<string, object> => ({
  '/.well-known/openid-configuration': {
    issuer: url,
    jwks_uri: `${url}/keys`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  },
  '/keys': { keys: [jwk] },
});

/** A job's request goes over HTTP here: there is no way to make the Action trust a certificate of ours for it, and none is wanted. */
function tokenEndpoint(setting: () => Setting, issue: (audience: string) => Issued): Server {
  return createHttpServer((request, response) => {
    const { status = 200 } = setting();
    const allowed = request.headers.authorization === `Bearer ${REQUEST_TOKEN}`;
    const code = allowed ? status : 401;
    response.writeHead(code, { 'content-type': 'application/json' });
    if (code !== 200) return response.end('{"message": "no token for you"}');
    const audience = new URL(request.url ?? '/', 'http://localhost').searchParams.get('audience') ?? 'https://github.com/acme';
    return response.end(JSON.stringify({ value: issue(audience).token }));
  });
}

function sign(key: KeyObject, issuer: string, { audience, setting }: { audience: string; setting: Setting }): Issued {
  const now = Math.floor(Date.now() / 1000);
  const claims = { ...claimsOf(audience, now), exp: now + (setting.lifeSeconds ?? 300), iss: issuer, ...setting.claims };
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${encode({ typ: 'JWT', alg: 'RS256', kid: 'key-1' })}.${encode(claims)}`;
  const signature = createSign('RSA-SHA256').update(signed).sign(key).toString('base64url');
  return { audience, token: `${signed}.${signature}`, exp: claims.exp };
}

/** As GitHub states them for a push to acme/api; the times are overwritten by the test's. */
function claimsOf(audience: string, now: number) {
  return {
    jti: randomUUID(),
    sub: 'repo:acme/api:ref:refs/heads/main',
    aud: audience,
    ref: 'refs/heads/main',
    repository: 'acme/api',
    repository_id: '4711',
    repository_owner: 'acme',
    repository_owner_id: '11',
    run_id: '77',
    run_attempt: '1',
    actor: 'alice',
    workflow: 'Deploy',
    event_name: 'push',
    iat: now,
    nbf: now - 600,
  };
}

/** JSON is YAML. */
function authenticationConfig(url: string, certificateAuthority: string): string {
  const claim = (expression: string) => ({ expression });
  return JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    anonymous: { enabled: true, conditions: ['/livez', '/readyz', '/healthz'].map((path) => ({ path })) },
    jwt: [
      {
        issuer: { url, audiences: [AUDIENCE], audienceMatchPolicy: 'MatchAny', certificateAuthority },
        claimValidationRules: [
          { expression: "claims.repository_owner == 'acme'", message: 'only the acme organisation' },
          { expression: 'claims.exp - claims.nbf <= 86400', message: 'token life over a day' },
        ],
        claimMappings: {
          username: claim("'gha:' + claims.repository"),
          groups: claim("['gha:' + claims.repository_owner]"),
          uid: claim('claims.repository_id'),
        },
        userValidationRules: [{ expression: "!user.username.startsWith('system:')", message: 'system: is taken' }],
      },
    ],
  });
}

function selfSigned(): { certificate: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-issuer-'));
  try {
    const files = ['-keyout', join(folder, 'key'), '-out', join(folder, 'crt')];
    const names = ['-subj', '/CN=issuer', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    execFileSync('openssl', [...kind, ...names, ...files], { stdio: 'pipe' });
    const read = (name: string) => readFileSync(join(folder, name), 'utf8');
    return { certificate: read('crt'), key: read('key') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return (server.address() as AddressInfo).port;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((done) => server.close(() => done()));
}
