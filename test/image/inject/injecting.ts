/** Manifests as texts, and what `inject` makes of them. */
import assert from 'node:assert/strict';
import { injectText } from '../../../image/inject/documents.ts';

export const textOf = (text: string, image?: string): string => {
  const done = injectText(text, { image });
  assert.ok(done.kind === 'text', JSON.stringify(done));
  return done.text;
};
export const problemsOf = (text: string): readonly string[] => {
  const done = injectText(text);
  return done.kind === 'refused' ? done.problems : [];
};

/** A file as people write it: several documents, comments, and values that may not be written in another way. */
export const YAML = `# What the night needs.
apiVersion: v1
kind: ConfigMap
metadata: {name:   settings}   # odd, and nobody's business
data:
    mode: 0644
---
# The night's work.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly # its name
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        metadata:
          annotations:
            lease-lock.nullplatform.com/name: nightly
        spec:
          restartPolicy: Never
          containers:
          - name: main
            image: 'registry.example.com/backup:1'
            command: [sh, -c]
            args:
            - |
              echo one   # not a comment
              echo two
          volumes:
          - name: settings
            configMap: {name: settings, defaultMode: 0644}
---
# The end.
`;

/** A Pod with the annotation, and this as its spec. */
export const pod = (more: string): string => `apiVersion: v1
kind: Pod
metadata: {name: x, annotations: {lease-lock.nullplatform.com/name: nightly}}
spec:
${more}`;
