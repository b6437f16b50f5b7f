import { watchdog } from './index.js';

await watchdog();
// Kept-alive connections would keep it for as long; what was printed has to be out.
process.stdout.write('', () => process.exit());
