/** What contributors and reporters read: the commands are there, the forms are valid, the signatures are those of the release workflow. */
import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { VERSION } from '../../src/version.ts';
import { anchorsOf, fences, read, root } from './documents.ts';

const FORMS = '.github/ISSUE_TEMPLATE';

test('the commands and files in CONTRIBUTING.md are there', () => {
  const text = read('CONTRIBUTING.md');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const used = [...text.matchAll(/npm (?:run )?([a-z:]+)/g)].flatMap(([, name = '']) =>
    ['ci', 'and', 'version'].includes(name) ? [] : name,
  );
  assert.ok(used.length >= 8);
  for (const name of used) assert.ok(scripts[name], name);
  const files = [...text.matchAll(/`((?:src|test|docs|action|image)\/[^` ]*)`/g), ...text.matchAll(/node --test (\S+?)[` ]/g)];
  assert.ok(files.length >= 8);
  for (const [, file = ''] of files) assert.ok(existsSync(join(root, file)), file);
});

interface Field {
  type: string;
  id?: string;
  attributes: Record<string, unknown>;
  validations?: { required: boolean };
}

/** What GitHub's syntax for issue forms allows in each field, and what it demands. */
const ALLOWED: Record<string, { must: string[]; may: string[] }> = {
  markdown: { must: ['value'], may: [] },
  input: { must: ['label'], may: ['description', 'placeholder', 'value'] },
  textarea: { must: ['label'], may: ['description', 'placeholder', 'value', 'render'] },
  dropdown: { must: ['label', 'options'], may: ['description', 'multiple', 'default'] },
};

test('each issue form has what GitHub demands, and nothing that it does not know', () => {
  const forms = globSync('*.yml', { cwd: join(root, FORMS) }).filter((name) => name !== 'config.yml');
  assert.deepEqual(forms.sort(), ['bug.yml', 'idea.yml']);
  for (const name of forms) {
    const { body, ...head } = parse(read(`${FORMS}/${name}`)) as { body: Field[] };
    assert.deepEqual(Object.keys(head).sort(), ['description', 'labels', 'name'], name);
    const ids = body.flatMap(({ id }) => id ?? []);
    assert.equal(new Set(ids).size, ids.length, name);
    for (const { type, id, attributes, validations, ...rest } of body) {
      const { must, may } = ALLOWED[type] ?? { must: [], may: [] };
      assert.ok(must.length > 0, `${name}: ${type}`);
      assert.deepEqual(
        must.filter((key) => !(key in attributes)),
        [],
        `${name}: ${id}`,
      );
      assert.deepEqual(
        Object.keys(attributes).filter((key) => ![...must, ...may].includes(key)),
        [],
        `${name}: ${id}`,
      );
      assert.deepEqual(Object.keys(rest), [], `${name}: ${id}`);
      assert.ok(type === 'markdown' ? id === undefined : id !== undefined && /^[\w-]+$/.test(id), `${name}: ${id}`);
      assert.ok(validations === undefined || typeof validations.required === 'boolean');
    }
    assert.ok(
      body.some(({ validations }) => validations?.required),
      `${name} asks for something`,
    );
  }
});

test('the links of the issue forms lead somewhere', () => {
  const { blank_issues_enabled, contact_links } = parse(read(`${FORMS}/config.yml`));
  assert.equal(blank_issues_enabled, false);
  for (const { name, url, about, ...rest } of contact_links) {
    assert.ok(name && about && Object.keys(rest).length === 0, url);
    const [, file, anchor = ''] = /\/blob\/v1\/([^#]*)#(.*)$/.exec(url) ?? [];
    if (file) assert.ok(anchorsOf(file).includes(anchor), url);
  }
});

test('SECURITY.md verifies what the release workflow signs', () => {
  const [blob = '', image = ''] = fences('SECURITY.md', 'text');
  const workflow = read('.github/workflows/release.yml');
  const [, bundle = '', file = ''] = /cosign sign-blob --yes --bundle (\S+) (\S+)/.exec(workflow) ?? [];
  assert.ok(blob.includes(`cosign verify-blob ${file} --bundle ${bundle} `), bundle);
  const identity = `https://github.com/nullplatform/k8s-lease-lock/.github/workflows/release.yml@refs/tags/v${VERSION}`;
  for (const text of [blob, image]) {
    assert.ok(text.includes(`--certificate-identity "${identity}"`), text);
    assert.ok(text.includes('--certificate-oidc-issuer https://token.actions.githubusercontent.com'), text);
  }
  assert.ok(image.includes(`ghcr.io/nullplatform/k8s-lease-lock:v${VERSION} `) && workflow.includes('cosign sign --yes'));
});
