/** What browser/ does, as one text. It is empty in the sources: build.mjs makes one file of them, and puts it here. */
export const SCRIPT: string = '';
