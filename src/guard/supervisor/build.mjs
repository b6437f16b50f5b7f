/**
 * Builds the supervisor for every platform with one pinned compiler, the same bytes on every machine.
 *   node build.mjs            writes bin/<platform>-<arch>
 *   node build.mjs --check    builds anew and compares with what is committed
 *   node build.mjs --analyze  looks for mistakes with `gcc -fanalyzer`; builds nothing
 * It needs Python with pip, and a network the first time: the compiler (ziglang, about 400 MB) is kept in the user's cache.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '0.16.0';
const TARGETS = {
  'linux-x64': 'x86_64-linux-musl',
  'linux-arm64': 'aarch64-linux-musl',
  'darwin-x64': 'x86_64-macos.13.0-none',
  'darwin-arm64': 'aarch64-macos.13.0-none',
};
const SOURCES = ['supervisor.c', 'first.c', 'system.c'];
const WARNINGS = ['-std=c99', '-Wall', '-Wextra', '-Wshadow', '-Werror'];
/** No paths and no random ids in what is built: the sources are named relative to their folder. */
const FLAGS = ['-Os', '-s', '-g0', '-ffunction-sections', '-Wl,--gc-sections', '-ffile-prefix-map=./='];

const here = dirname(fileURLToPath(import.meta.url));
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'k8s-lease-lock');
const compiler = join(cache, `ziglang-${VERSION}`);
const python = process.env.PYTHON ?? 'python3';

function run(command, args, env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd: here, stdio: 'inherit', env });
  if (error) throw new Error(`cannot run ${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args.slice(0, 3).join(' ')} ... failed`);
}

function installCompiler() {
  if (existsSync(join(compiler, 'ziglang', '__main__.py'))) return;
  mkdirSync(cache, { recursive: true });
  run(python, ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', compiler, `ziglang==${VERSION}`]);
}

function build(target, out) {
  const zigCache = join(cache, `zig-${VERSION}`);
  const env = { ...process.env, PYTHONPATH: compiler, ZIG_GLOBAL_CACHE_DIR: zigCache, ZIG_LOCAL_CACHE_DIR: zigCache };
  run(python, ['-m', 'ziglang', 'cc', '-target', target, ...WARNINGS, ...FLAGS, ...SOURCES, '-o', out], env);
}

function analyze() {
  run('gcc', [...WARNINGS, '-O1', '-fanalyzer', '-c', '-o', '/dev/null', 'supervisor.c']);
  run('gcc', [...WARNINGS, '-O1', '-fanalyzer', '-c', '-o', '/dev/null', 'first.c']);
  run('gcc', [...WARNINGS, '-O1', '-fanalyzer', '-c', '-o', '/dev/null', 'system.c']);
}

function buildAll(check) {
  installCompiler();
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-'));
  const differing = [];
  try {
    for (const [name, target] of Object.entries(TARGETS)) {
      build(target, join(folder, name));
      const built = readFileSync(join(folder, name));
      const committed = join(here, 'bin', name);
      if (!check) {
        mkdirSync(dirname(committed), { recursive: true });
        writeFileSync(committed, built, { mode: 0o755 });
        process.stdout.write(`bin/${name}: ${built.length} bytes\n`);
      } else if (!existsSync(committed) || !readFileSync(committed).equals(built)) {
        differing.push(`bin/${name}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  if (differing.length === 0) return;
  process.stderr.write(
    `${differing.join(', ')}: not what the sources give. Run "node src/guard/supervisor/build.mjs" and commit the result.\n`,
  );
  process.exitCode = 1;
}

if (process.argv.includes('--analyze')) analyze();
else buildAll(process.argv.includes('--check'));
