/** The URL of an API server without a slash at its end, or undefined if the text is not such a URL. */
export function serverUrl(text: string): string | undefined {
  // Node's URL takes any number of slashes, and spaces before them.
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`.replace(/\/+$/, '');
}

/** What a name and a password in the URL of a server make of its requests: they count before all else. */
export function authorizationIn(server: string): { authorization?: string } {
  const { username, password } = URL.canParse(server) ? new URL(server) : { username: '', password: '' };
  if (username === '' && password === '') return {};
  return { authorization: basicAuthorization(decodeURIComponent(username), decodeURIComponent(password)) };
}

export const basicAuthorization = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
