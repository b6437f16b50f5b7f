/** What an answer that is no Lease means for a command that asked for one: a sentence, and its exit code. */
import type { Failed } from '../../src/lock/operate.ts';
import type { Log } from '../../src/log.ts';
import { EXIT } from '../exit-codes.ts';

export function reportAnswer(answer: Failed, log: Log, server: string): number {
  if (answer.kind === 'failed') {
    log('error', answer.unusable ? answer.message : `no answer from the API server ${server}: ${answer.message}`);
    return answer.unusable ? EXIT.configuration.code : EXIT.unreachable.code;
  }
  log('error', answer.message);
  if (answer.reason === 'absent') return EXIT.no.code;
  return answer.status === 401 || answer.status === 403 ? EXIT.refused.code : EXIT.configuration.code;
}
