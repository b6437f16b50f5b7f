/** Loaded into guards of the benchmark (--import): notes when they hear of and do what a hand-over consists of, and appends it to TRACE at their end. */
import { appendFileSync } from 'node:fs';
import { ClientRequest, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

const notes = [];
const note = (what) => notes.push(`${process.pid} ${process.hrtime.bigint()} ${what}`);

function before(prototype, method, look) {
  const original = prototype[method];
  prototype[method] = function (...args) {
    look(this, args[0]);
    return original.apply(this, args);
  };
}

/** The kinds of frames between guard and supervisor (protocol.h). */
const FRAMES = { 3: 'start-sent', 69: 'started-heard', 70: 'exited-heard', 73: 'gone-heard' };

/** Frames follow each other in one chunk. */
function noteFrames(socket, bytes) {
  if (socket.encrypted || socket.remoteAddress || !Buffer.isBuffer(bytes)) return;
  for (let at = 0; at + 5 <= bytes.length; at += 4 + bytes.readUInt32LE(at))
    if (FRAMES[bytes[at + 4]]) note(FRAMES[bytes[at + 4]]);
}

before(ClientRequest.prototype, 'end', (request) => note(`${request.method}-sent`));
before(IncomingMessage.prototype, 'push', (response, chunk) => {
  const watching = response.req?.path?.includes('watch=');
  if (chunk !== null) note(watching ? 'event-heard' : `${response.req?.method}-answered`);
});
before(Socket.prototype, 'push', noteFrames);
before(Socket.prototype, 'write', noteFrames);
process.on('exit', () => appendFileSync(process.env.TRACE, `${notes.join('\n')}\n`));
