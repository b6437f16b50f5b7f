/**
 * The plainest client of a Kubernetes API that a test can use: one request, one answer, raw JSON, and a watch as an async iterator.
 * It shares nothing with the code under test. Connections are kept alive and never keep the process running when idle.
 */
import * as http from 'node:http';
import * as https from 'node:https';

/** What tests look at in an object, a list or a Status. Loose on purpose: the server decides what is really there. */
export interface ApiObject {
  apiVersion?: string;
  kind?: string;
  metadata: Metadata;
  spec: Record<string, unknown> & {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    leaseTransitions?: number;
    renewTime?: string;
    acquireTime?: string;
  };
  items: ApiObject[];
  status?: unknown;
  reason?: string;
  message?: string;
  code?: number;
  details?: {
    name?: string;
    group?: string;
    kind?: string;
    uid?: string;
    causes?: { reason?: string; message?: string; field?: string }[];
  };
  token?: string;
}

export interface Metadata {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
  generation?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  managedFields?: ManagedFields[];
  [field: string]: unknown;
}

export interface ManagedFields {
  manager: string;
  operation: string;
  apiVersion: string;
  time: string;
  fieldsType: string;
  fieldsV1: Record<string, unknown>;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** Parsed when it is JSON; `text` is there always. */
  body: ApiObject;
  text: string;
}

export interface RequestOptions {
  token?: string;
  contentType?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: ApiObject;
}

export interface Watch extends AsyncIterable<WatchEvent> {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** The next event, or undefined once the server has ended the watch. */
  next(): Promise<WatchEvent | undefined>;
  close(): void;
}

export interface Api {
  url: string;
  /** `body` is sent as it is when it is a string, else as JSON. */
  request(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<Answer>;
  /** The path of a list, without `watch=1`, which is added. */
  watch(path: string, options?: RequestOptions): Promise<Watch>;
}

export function apiClient(server: { url: string; ca?: string; token?: string }): Api {
  const secure = server.url.startsWith('https:');
  const agent = secure ? new https.Agent({ keepAlive: true, ca: server.ca }) : new http.Agent({ keepAlive: true });
  const send = secure ? https.request : http.request;

  function exchange(method: string, path: string, body: unknown, options: RequestOptions): Promise<http.IncomingMessage> {
    const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const token = options.token ?? server.token;
    const headers: http.OutgoingHttpHeaders = { accept: 'application/json', 'user-agent': 'lease-lock-test/1' };
    if (token) headers.authorization = `Bearer ${token}`;
    if (payload !== undefined) {
      headers['content-type'] = options.contentType ?? 'application/json';
      headers['content-length'] = Buffer.byteLength(payload);
    }
    Object.assign(headers, options.headers);
    return new Promise((resolve, reject) => {
      const url = new URL(path, server.url);
      const request = send(url, { method, agent, headers, ...(options.signal && { signal: options.signal }) }, resolve);
      request.on('error', reject);
      request.end(payload);
    });
  }

  return {
    url: server.url,
    async request(method, path, body, options = {}) {
      const response = await exchange(method, path, body, options);
      const text = await textOf(response);
      return { status: response.statusCode ?? 0, headers: response.headers, body: parse(text), text };
    },
    async watch(path, options = {}) {
      const response = await exchange('GET', `${path}${path.includes('?') ? '&' : '?'}watch=1`, undefined, options);
      const events = eventsOf(response);
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        next: async () => (await events.next()).value ?? undefined,
        close: () => response.destroy(),
        [Symbol.asyncIterator]: () => events,
      };
    },
  };
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

function parse(text: string): ApiObject {
  try {
    return JSON.parse(text) as ApiObject;
  } catch {
    return {} as ApiObject; // plain text such as /readyz's; the caller has it in `text`
  }
}

async function* eventsOf(response: http.IncomingMessage): AsyncGenerator<WatchEvent, undefined> {
  response.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of response) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line) yield JSON.parse(line) as WatchEvent;
    }
  } catch (error) {
    if (!response.destroyed) throw error; // closed here: the end of it
  }
}
