/**
 * What a shell has to be given so that it asks this program: a function for each, that hands over the words up to the cursor (commands/complete.ts) and
 * offers what is answered. Nothing that is typed, or answered, is ever evaluated.
 */

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;

/** It splits a line at = and : as well, and replaces what follows the last of these alone. Also for 3.2, which has no compopt. */
const BASH = `# bash completion of k8s-lease-lock
_k8s_lease_lock() {
  local rest="\${COMP_LINE:0:COMP_POINT}" words=() n=-1 i blank piece
  for ((i = 0; i <= COMP_CWORD; i++)); do
    blank="\${rest%%[![:space:]]*}"
    rest="\${rest#"$blank"}"
    if [[ $i -eq 0 || -n $blank ]]; then words[++n]=''; fi
    piece="\${COMP_WORDS[i]}"
    if [[ $i -eq $COMP_CWORD ]]; then piece="$rest"; fi
    words[n]+="$piece"
    rest="\${rest#"$piece"}"
  done
  local current="\${words[n]}" option='' kept='' breaks="\${COMP_WORDBREAKS//[!=:]/}" line tab=$'\\t'
  if [[ $current == -*=* ]]; then option="\${current%%=*}="; fi
  if [[ -n $breaks && $current == *["$breaks"]* ]]; then kept="\${current%"\${current##*["$breaks"]}"}"; fi
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :4 ]]; then
      compopt +o default 2>/dev/null
    elif [[ $line != :* ]]; then
      line="$option\${line%%"$tab"*}"
      printf -v line %q "\${line#"$kept"}"
      COMPREPLY+=("$line")
    fi
  done < <(k8s-lease-lock __complete "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _k8s_lease_lock k8s-lease-lock
`;

const ZSH = `#compdef k8s-lease-lock
_k8s-lease-lock() {
  local line files=1 tab=$'\\t'
  local -a found
  for line in "\${(@f)$(k8s-lease-lock __complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}"; do
    case $line in
      :4) files=0 ;;
      :*|'') ;;
      *$tab*) found+=("\${\${line%%$tab*}//:/\\\\:}:\${line#*$tab}") ;;
      *) found+=("\${line//:/\\\\:}") ;;
    esac
  done
  [[ $PREFIX == -*=* ]] && compset -P 1 '*='
  if (( $#found )); then
    _describe -t k8s-lease-lock k8s-lease-lock found
  elif (( files )); then
    _files
  fi
}
# Run as a file of $fpath, it is the function itself.
if [[ $funcstack[1] == _k8s-lease-lock ]]; then
  _k8s-lease-lock "$@"
else
  compdef _k8s-lease-lock k8s-lease-lock
fi
`;

const FISH = `# fish completion of k8s-lease-lock
function __k8s_lease_lock_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    set -l option (string match -r -- '^-[^=]*=' "$current")
    set -l lines (k8s-lease-lock __complete $words "$current" 2>/dev/null)
    if test "$lines" = :0
        for file in (__fish_complete_path (string replace -r -- '^-[^=]*=' '' "$current"))
            echo "$option$file"
        end
    else
        for line in $lines
            string match -q -r '^:' -- $line; or echo "$option$line"
        end
    end
end
complete -c k8s-lease-lock -f -a '(__k8s_lease_lock_complete)'
`;

/** An empty argument is written as two quotes, since older versions leave one out; the program takes quotes for what they are. */
const POWERSHELL = `# PowerShell completion of k8s-lease-lock
Register-ArgumentCompleter -Native -CommandName k8s-lease-lock -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.Extent.Text })
    $current = if ($wordToComplete) { "$wordToComplete" } else { '""' }
    $option = if ("$wordToComplete" -match '^-[^=]*=') { $Matches[0] } else { '' }
    k8s-lease-lock __complete @words $current 2>$null | Where-Object { $_ -notmatch '^:' } | ForEach-Object {
        $value, $about = $_ -split [char]9, 2
        $text = if ($about) { $about } else { $value }
        [System.Management.Automation.CompletionResult]::new("$option$value", $value, 'ParameterValue', $text)
    }
}
`;

export const SCRIPTS: Record<(typeof SHELLS)[number], string> = { bash: BASH, zsh: ZSH, fish: FISH, powershell: POWERSHELL };
