/** Where a message sends its reader: the documents of the version that says it, since an image or an executable brings none along. */
import { VERSION } from './version.ts';

const REPOSITORY = 'https://github.com/nullplatform/k8s-lease-lock';

export const DOCUMENTS = `${REPOSITORY}/tree/v${VERSION}/docs`;

/** `page`: a file of them, with its heading, such as `theft.md#breaking-a-lock`. */
export const documentAt = (page: string): string => `${REPOSITORY}/blob/v${VERSION}/docs/${page}`;
