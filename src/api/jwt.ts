/** What a bearer token claims, if it is a JWT. Nothing is verified: that is the API server's business. */

/** Undefined for a token that is not a JWT. */
export function claimsOf<Claims extends object>(token: string | undefined): Claims | undefined {
  const payload = token?.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return typeof claims === 'object' && claims !== null ? (claims as Claims) : undefined;
  } catch {
    return undefined; // Not every token is a JWT.
  }
}
