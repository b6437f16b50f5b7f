/** Writes refreshed tokens back into a kubeconfig, leaving all else of it as it is, comments included. */
import { open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { isMap, isSeq, parseDocument } from 'yaml';

/** Rejects with a sentence. The file is replaced at one stroke; `FILE.lock` keeps kubectl away meanwhile, as it keeps itself away. */
export async function writeTokens(path: string, user: string, tokens: Readonly<Record<string, string>>): Promise<void> {
  try {
    const target = await realpath(path);
    await (await open(`${path}.lock`, 'wx')).close();
    const scratch = `${target}.${process.pid}`;
    try {
      const { mode } = await stat(target);
      await writeFile(scratch, withTokens(await readFile(target, 'utf8'), user, tokens), { mode });
      await rename(scratch, target);
    } finally {
      await rm(scratch, { force: true });
      await rm(`${path}.lock`, { force: true });
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? `${path}.lock exists: remove it if no kubectl is running` : (code ?? message);
    throw new Error(`oidc: the new tokens could not be written to ${path} (${why})`);
  }
}

function withTokens(text: string, user: string, tokens: Readonly<Record<string, string>>): string {
  const document = parseDocument(text, { version: '1.1', uniqueKeys: false });
  const users = document.get('users');
  const entry = isSeq(users) ? users.items.find((item) => isMap(item) && item.get('name') === user) : undefined;
  if (!isMap(entry)) throw new Error(`it has no user "${user}" any more`);
  for (const [name, token] of Object.entries(tokens)) entry.setIn(['user', 'auth-provider', 'config', name], token);
  return document.toString({ lineWidth: 0 });
}
