/** TLS of the broker's own port. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import type { ServerSettings } from './surroundings.ts';

/** For the server that listens. */
export const secureOptions = (
  { cert, key }: NonNullable<ServerSettings['tls']>,
  handshakeTimeout: number,
): TlsOptions => ({ cert, key, minVersion: 'TLSv1.2', handshakeTimeout });

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/**
 * A connection on which TLS was never agreed upon is none to the HTTP server, so nothing closes it when the server
 * stops. Here they are ended with it.
 */
export const dropUnfinishedHandshakes = (app: FastifyInstance): void => {
  const unfinished = new Map<string, Socket>();
  const server: Server = app.server;
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    unfinished.set(peer, socket);
    socket.once('close', () => unfinished.delete(peer));
  });
  server.on('secureConnection', (socket: Socket) => unfinished.delete(peerOf(socket)));
  app.addHook('preClose', done => {
    for (const socket of unfinished.values()) socket.destroy();
    done();
  });
};
