/** What must not be printed: the runner hides just what it has been told. */
import { setSecret } from '@actions/core';
import type { Inputs } from './inputs.ts';

/** Shorter ones would hide parts of every word. */
const SHORTEST = 4;

/** Every secret, whole and by lines. */
export async function maskSecrets({ githubToken, access: { token, kubeconfigText } }: Inputs): Promise<void> {
  const given = [githubToken, token, ...(await secretsOf(kubeconfigText))].filter((secret) => secret !== undefined);
  const secrets = new Set(given.flatMap((text) => [text, ...text.split(/\r?\n/)]).map((text) => text.trim()));
  for (const secret of secrets) if (secret.length >= SHORTEST) setSecret(secret);
}

const SECRETS = ['token', 'password', 'client-key-data', 'id-token', 'refresh-token', 'access-token', 'client-secret'];

/** The values that open something: masking a whole kubeconfig would hide half of every log. */
async function secretsOf(kubeconfig: string | undefined): Promise<string[]> {
  if (kubeconfig === undefined) return [];
  const { readYaml } = await import('../src/api/go-yaml.ts');
  try {
    return secretsIn(readYaml(Buffer.from(kubeconfig)));
  } catch {
    return []; // It is refused, in words of which none is its own.
  }
}

function secretsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) =>
    SECRETS.includes(name) && typeof each === 'string' ? [each] : secretsIn(each),
  );
}
