import { main } from './index.js';

await main();
// Kept-alive connections would keep it for as long; what was printed has to be out.
process.stdout.write('', () => process.exit());
