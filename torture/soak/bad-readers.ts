/** Readers of lists as they should not be: those that never read the answer, and those that are gone before it. */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { openConnection } from '../../test/support/raw-http.ts';

const LIST = 'GET /v1/transactions?limit=500 HTTP/1.1\r\nHost: broker\r\n\r\n';
const PAUSE_MS = 20;

/** Until `isOver` says so. Resolves with the number of connections made, when all of them are closed. */
export const readBadly = async (url: string, slow: number, isOver: () => boolean): Promise<number> => {
  const open: Socket[] = [];
  for (let i = 0; i < slow; i++) {
    const socket = await openConnection(url);
    socket.pause();
    // Many answers, so that they do not all fit between here and there.
    socket.write(LIST.repeat(10));
    open.push(socket);
  }
  let made = slow;
  for (; !isOver(); made++) {
    const socket = await openConnection(url);
    socket.write(LIST);
    await delay(PAUSE_MS);
    socket.destroy();
  }
  for (const socket of open) socket.destroy();
  return made;
};
