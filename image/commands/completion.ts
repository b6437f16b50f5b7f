/** `k8s-lease-lock completion`: prints the script that makes a shell complete what is typed, by asking this program (complete.ts). */
import { type CommandLineShape, type Env, UsageError } from '../command-line.ts';
import { SCRIPTS, SHELLS } from '../completion/scripts.ts';
import { readInterleaved } from '../interleaved.ts';
import { reportUsage } from '../run-command.ts';
import { printLine, write } from '../stdout.ts';

export const SHAPE: CommandLineShape = {
  usage:
    `Usage: k8s-lease-lock completion ${SHELLS.join('|')}\n\n` +
    'Prints a script with which the shell completes commands, options, and names that the cluster knows.\n\n' +
    '  bash        eval "$(k8s-lease-lock completion bash)", in ~/.bashrc\n' +
    '  zsh         eval "$(k8s-lease-lock completion zsh)", in ~/.zshrc, after compinit\n' +
    '  fish        k8s-lease-lock completion fish >~/.config/fish/completions/k8s-lease-lock.fish\n' +
    '  powershell  k8s-lease-lock completion powershell | Out-String | Invoke-Expression, in $PROFILE',
  options: [],
  operands: 'one',
  operand: { choices: SHELLS },
};

export async function completion(argv: readonly string[], env: Env): Promise<number> {
  return await reportUsage('completion', async () => {
    const line = await readInterleaved(SHAPE, argv, env);
    if (line.kind === 'help') await printLine(line.text);
    if (line.kind === 'help') return 0;
    const [given] = line.operands;
    const shell = SHELLS.find((known) => known === given);
    if (shell === undefined)
      throw new UsageError(
        given === undefined
          ? `the shell is missing: one of ${SHELLS.join(', ')}`
          : `unknown shell "${given}": use one of ${SHELLS.join(', ')}`,
      );
    await write(SCRIPTS[shell]);
    return 0;
  });
}
