/** The URL of an API server without a slash at its end, or undefined if the text is not such a URL. */
export function serverUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, pathname } = new URL(text);
  if ((protocol !== 'https:' && protocol !== 'http:') || host === '') return undefined;
  return `${protocol}//${host}${pathname}`.replace(/\/+$/, '');
}
