/** Tests of this folder that wait for minutes: `npm run test:versions` runs them, `npm test` does not. */
export const SLOW = ['lagging', 'restored', 'silent', 'store'].map((name) => `test/availability/${name}.test.ts`);
