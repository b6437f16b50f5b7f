// Writes docs/api.md, the report of what the library shows, from the types in dist/lib; with --check it only says whether it is current.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';

const root = fileURLToPath(new URL('.', import.meta.url));
const check = process.argv.includes('--check');
const temp = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-api-'));

const error = { logLevel: ExtractorLogLevel.Error, addToApiReportFile: false };
const config = ExtractorConfig.prepare({
  configObject: {
    projectFolder: root,
    mainEntryPointFilePath: `${root}dist/lib/index.d.ts`,
    compiler: {
      overrideTsconfig: {
        compilerOptions: {
          target: 'es2022',
          lib: ['es2022', 'esnext.disposable'],
          module: 'nodenext',
          types: ['node'],
          strict: true,
        },
        files: [`${root}dist/lib/index.d.ts`],
      },
    },
    apiReport: { enabled: true, reportFolder: temp, reportTempFolder: temp, reportFileName: 'api' },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
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

try {
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
  const report = readFileSync(join(temp, 'api.api.md'), 'utf8').replaceAll('\r\n', '\n');
  const path = `${root}docs/api.md`;
  if (!succeeded || problems > 0) process.exitCode = 1;
  else if (!check) writeFileSync(path, report);
  else if (readFileSync(path, 'utf8') !== report) {
    process.stderr.write('docs/api.md is not that of dist/lib: write it anew with "npm run api"\n');
    process.exitCode = 1;
  }
} finally {
  rmSync(temp, { recursive: true, force: true });
}
