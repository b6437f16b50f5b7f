/**
 * A small API server for Leases over node:http, for laptops, demonstrations and tests. It is no cluster: one process, no
 * authentication, no authorization, no TLS; so it listens on loopback unless told otherwise. What it answers about Leases is what
 * the real API server answers; test/server holds the two against each other.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { loadSnapshot, saveSnapshot } from './data-file.ts';
import { namespaceObject, type Target, targetOf } from './discovery.ts';
import { checkTimeout, isTrue } from './query.ts';
import { type Answer, type ApiRequest, answerCollection, answerOne, refuse } from './requests.ts';
import { selector } from './selectors.ts';
import * as say from './status.ts';
import { createLeaseStore, type LeaseStore } from './store.ts';
import { type Form, table, wantedForm } from './table.ts';
import { serveWatch, watchRequest } from './watch.ts';

export interface LeaseServerOptions {
  /** 0 or none: any free port. */
  port?: number;
  host?: string;
  /** A file for the leases; without one they are gone when the server ends. */
  data?: string;
  now?: () => Date;
  /** How many changes a watcher may be behind before it has to start over. */
  historyLimit?: number;
  /** Told what went wrong inside, such as a full disk. */
  report?: (problem: string) => void;
}

export interface LeaseServer {
  url: string;
  port: number;
  /** Ends every watch and connection. */
  close(): Promise<void>;
}

/** As on the real server. */
const BODY_LIMIT = 3 << 20;
/** As on the real server; longer than anybody's renewal interval by default. */
const KEEP_ALIVE_MS = 90_000;
/** Stands for a body above the limit; no body that is JSON looks like it. */
const TOO_LARGE = '\0';

/** Rejects when the port is taken or the data can't be read. */
export async function startLeaseServer(options: LeaseServerOptions = {}): Promise<LeaseServer> {
  const { port = 0, host = '127.0.0.1', data, now = () => new Date(), historyLimit, report = () => {} } = options;
  const saved = data === undefined ? undefined : loadSnapshot(data);
  const store = createLeaseStore({
    now,
    uid: randomUUID,
    ...(saved && { saved }),
    ...(data !== undefined && { save: (snapshot) => saveSnapshot(data, snapshot) }),
    ...(historyLimit !== undefined && { historyLimit }),
  });
  const server = createServer((request, response) => {
    serve({ store, now }, request, response).catch((error: unknown) => {
      report(`${request.method} ${request.url}: ${(error as Error).message}`);
      if (response.headersSent) response.destroy();
      else send(response, refuse(say.serverError((error as Error).message)));
    });
  });
  // A client keeps its connection between two renewals; Node would close it after 5 s, just when it is used again.
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await listen(server, port, host);
  const { port: actualPort } = server.address() as AddressInfo;
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`, port: actualPort, close: () => close(server) };
}

interface Context {
  store: LeaseStore;
  now: () => Date;
}

/** What goes out: an object as JSON, or a plain text. */
interface Reply {
  code: number;
  body: object | string;
  warnings: string[];
}

async function serve(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://server');
  const asked: ApiRequest = {
    method: request.method ?? 'GET',
    query: url.searchParams,
    contentType: request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '',
    userAgent: request.headers['user-agent'],
    body: (await readBody(request)) ?? TOO_LARGE,
  };
  const form = wantedForm(request.headers.accept);
  const refusal = unwelcome(request) ?? unservable(asked, form);
  const target = targetOf(url.pathname);
  if (refusal) send(response, refuse(refusal));
  else if (target.is !== 'leases') send(response, answerOther(target, asked));
  else if (asked.method === 'GET' && target.name === undefined && isTrue(asked.query.get('watch'))) {
    startWatch(context, response, asked, { namespace: target.namespace, form });
  } else send(response, answerLeases(context, target, asked, form));
}

/**
 * There are no users here, so a web page must not get in through a browser: one of another origin, or one whose name leads to this machine (DNS
 * rebinding). kubectl proxy refuses them as well.
 */
function unwelcome({ headers: { host = '', origin } }: IncomingMessage): say.Status | undefined {
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (name !== 'localhost' && isIP(name) === 0)
    return say.forbidden(`the Host header "${host}" is not an address of this server`);
  return origin === undefined ? undefined : say.forbidden(`web pages are not served: the request has the Origin "${origin}"`);
}

function unservable(asked: ApiRequest, form: Form): say.Status | undefined {
  if (asked.body === TOO_LARGE) return say.tooLarge(BODY_LIMIT);
  if (form === 'unacceptable') return say.notAcceptable();
  return checkTimeout(asked.query);
}

function answerLeases(
  context: Context,
  { namespace, name }: { namespace?: string; name?: string },
  asked: ApiRequest,
  form: Form,
): Reply {
  const answer =
    namespace !== undefined && name !== undefined
      ? answerOne(context.store, asked, { namespace, name })
      : answerCollection(context.store, asked, namespace);
  return form === 'table' ? asTable(answer, context) : answer;
}

function startWatch(
  context: Context,
  response: ServerResponse,
  { query }: ApiRequest,
  want: { namespace: string | undefined; form: Form },
): void {
  const selected = selector(query, want.namespace);
  const watch = 'kind' in selected ? selected : watchRequest(query, selected.matches);
  if ('kind' in watch) {
    send(response, refuse(watch));
    return;
  }
  serveWatch(context.store, response, watch, ({ object }) =>
    want.form === 'table' ? table([object], object.metadata.resourceVersion, context.now()) : object,
  );
}

function answerOther(target: Exclude<Target, { is: 'leases' }>, { method, body }: ApiRequest): Reply {
  switch (target.is) {
    case 'document':
      return method === 'GET' ? { code: 200, body: target.document, warnings: [] } : refuse(say.methodNotAllowed());
    case 'namespaces':
      return namespaceAnswer(method, target.name, body);
    case 'health':
      return { code: 200, body: 'ok', warnings: [] };
    case 'unknown resource':
      return refuse(say.noSuchResource());
    case 'nothing':
      return { code: 404, body: '404 page not found', warnings: [] };
    default:
      return target satisfies never;
  }
}

function namespaceAnswer(method: string, name: string | undefined, body: string): Reply {
  if (method === 'GET' && name !== undefined) return { code: 200, body: namespaceObject(name), warnings: [] };
  if (method !== 'POST' || name !== undefined) return refuse(say.methodNotAllowed());
  try {
    const sent = JSON.parse(body) as { metadata?: { name?: string } };
    return { code: 201, body: namespaceObject(sent.metadata?.name ?? ''), warnings: [] };
  } catch (error) {
    return refuse(say.badRequest((error as Error).message));
  }
}

function asTable(answer: Answer, { store, now }: Context): Reply {
  const { body } = answer;
  if (body.kind === 'Status') return answer;
  const leases = body.kind === 'LeaseList' ? body.items : [body];
  return { ...answer, body: table(leases, body.metadata.resourceVersion || store.resourceVersion(), now()) };
}

function send(response: ServerResponse, { code, body, warnings }: Reply): void {
  const bytes = Buffer.from(typeof body === 'string' ? body : `${JSON.stringify(body)}\n`);
  response.setHeader('content-type', typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json');
  response.setHeader('content-length', bytes.length);
  response.setHeader('cache-control', 'no-cache, private');
  // As the real server, in UTF-8: beside a body of bytes, Node sends the characters of a header as bytes, and refuses all others.
  const warning = Buffer.from(warnings.map((each) => `299 - ${JSON.stringify(each)}`).join(', ')).toString('latin1');
  if (warning) response.setHeader('warning', warning);
  response.writeHead(code);
  response.end(bytes);
}

/** Undefined: more than the limit. It is read to its end all the same, or the client would not read the answer. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size <= BODY_LIMIT) chunks.push(chunk as Buffer);
  }
  return size > BODY_LIMIT ? undefined : Buffer.concat(chunks).toString('utf8');
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
