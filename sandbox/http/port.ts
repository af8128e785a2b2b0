import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** How a connection of HTTP/2 begins: https://www.rfc-editor.org/rfc/rfc9113#section-3.4 */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** A port of loopback that two servers share. */
export interface Port {
  readonly number: number;
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Listens on loopback, and hands each connection over by its first bytes: those of HTTP/2, which gRPC speaks, and all
 * others. `port` 0 takes a free one.
 */
export async function listenForBoth(
  port: number,
  http: (connection: Socket) => void,
  http2: (connection: Socket) => void,
): Promise<Port> {
  const open = new Set<Socket>();
  // As Node's own server of HTTP has it: an answer of several parts must not wait for the client's acknowledgement.
  const server = createServer({ noDelay: true }, (connection) => {
    open.add(connection);
    connection.once('close', () => open.delete(connection));
    // Until a server has it, a connection that breaks has nobody to tell.
    connection.on('error', () => {});
    let seen = Buffer.alloc(0);
    const look = (bytes: Buffer): void => {
      seen = Buffer.concat([seen, bytes]);
      const compared = Math.min(seen.length, PREFACE.length);
      const isPreface = seen.subarray(0, compared).equals(PREFACE.subarray(0, compared));
      if (isPreface && compared < PREFACE.length) return;
      connection.off('data', look);
      connection.pause();
      connection.unshift(seen);
      if (isPreface) http2(connection);
      else {
        http(connection);
        connection.resume();
      }
    };
    connection.on('data', look);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    number: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const connection of open) connection.destroy();
      await closed;
    },
  };
}
