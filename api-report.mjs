/**
 * The types of the npm package, by API Extractor. Without an option it writes docs/api.md, the report of what the library shows; `--check` says
 * whether that is current; `--types` rolls the compiled declarations up into the one file dist/lib/index.d.ts, for build.mjs.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';

const root = fileURLToPath(new URL('.', import.meta.url));
const TYPES = `${root}dist/lib/index.d.ts`;

/** True if API Extractor has nothing to complain about; what it has is printed. */
function extract(entry, parts) {
  const error = { logLevel: ExtractorLogLevel.Error, addToApiReportFile: false };
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    allowImportingTsExtensions: true,
    noEmit: true,
  };
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: entry,
      compiler: { overrideTsconfig: { compilerOptions, files: [entry] } },
      apiReport: { enabled: false, reportFileName: 'api', ...parts.apiReport },
      docModel: { enabled: false },
      dtsRollup: { enabled: false, ...parts.dtsRollup },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: error },
        extractorMessageReporting: { default: error, 'ae-undocumented': error },
        tsdocMessageReporting: { default: error },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: `${root}package.json`,
  });
  let problems = 0;
  const { succeeded } = Extractor.invoke(config, {
    localBuild: true,
    messageCallback(message) {
      message.handled = true;
      if (message.logLevel !== ExtractorLogLevel.Error) return;
      problems += 1;
      process.stderr.write(`${message.formatMessageWithLocation(root)}\n`);
    },
  });
  return succeeded && problems === 0;
}

function report(check) {
  const temp = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-api-'));
  try {
    if (!extract(TYPES, { apiReport: { enabled: true, reportFolder: temp, reportTempFolder: temp } })) return false;
    const text = readFileSync(join(temp, 'api.api.md'), 'utf8').replaceAll('\r\n', '\n');
    const path = `${root}docs/api.md`;
    if (!check) writeFileSync(path, text);
    if (readFileSync(path, 'utf8') === text) return true;
    process.stderr.write('docs/api.md is not that of dist/lib: run "npm run api" and commit it\n');
    return false;
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

const [option] = process.argv.slice(2);
const done =
  option === '--types'
    ? extract(`${root}build/types/src/library/index.d.ts`, { dtsRollup: { enabled: true, publicTrimmedFilePath: TYPES } })
    : report(option === '--check');
if (!done) process.exitCode = 1;
