import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import fastify from 'fastify';
import type { Caller } from './caller.ts';
import { GoogleError } from './errors.ts';
import { type Call, Reply, type Route, router } from './router.ts';

export interface Listener {
  origin: string;
  port: number;
  close(): Promise<void>;
}

/** Says who makes a call. @throws GoogleError UNAUTHENTICATED or PERMISSION_DENIED */
export type Admit = (route: Route, call: Omit<Call, 'caller'>) => Caller | Promise<Caller>;

/** Serves the routes on loopback only, to those whom `admit` lets in. `port` 0 takes a free one. */
export async function listen(routes: readonly Route[], admit: Admit, port = 0): Promise<Listener> {
  const find = router(routes);
  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    requestTimeout: 0,
    frameworkErrors: (_error, _request, reply) => {
      const failure = new GoogleError('INVALID_ARGUMENT', 'The path is not valid percent-encoding.');
      reply.hijack();
      reply.raw.writeHead(failure.code, { 'content-type': 'application/json' }).end(JSON.stringify(failure));
    },
  });
  // Bodies are read by the handlers: uploads go to disk as they come, and gzip may wrap any of them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.all('*', async (request, reply) => {
    try {
      rejectOtherHosts(request.headers.host);
      const url = new URL(request.raw.url ?? '/', 'http://sandbox.invalid');
      const { route, params } = find(request.method, url.pathname);
      const seen: Omit<Call, 'caller'> = {
        method: request.method,
        url: request.raw.url ?? '/',
        params,
        query: url.searchParams,
        headers: request.headers,
        body: request.body as Readable | undefined,
        origin: `http://${request.headers.host}`,
      };
      const answer = await route.handle({ ...seen, caller: await admit(route, seen) });
      if (!(answer instanceof Reply)) {
        return reply.type('application/json; charset=UTF-8').send(JSON.stringify(answer));
      }
      const body = answer.body;
      const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) || 'pipe' in body;
      if (!('content-type' in answer.headers)) reply.type('application/json; charset=UTF-8');
      return reply
        .code(answer.status)
        .headers(answer.headers)
        .send(raw ? body : JSON.stringify(body));
    } catch (error) {
      const known = error instanceof GoogleError ? error : unexpected(error);
      return reply
        .code(known.code)
        .type('application/json; charset=UTF-8')
        .send(JSON.stringify(known.toJSON()));
    }
  });
  await app.listen({ host: '127.0.0.1', port });
  const address = app.server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${address.port}`,
    port: address.port,
    close: () => app.close(),
  };
}

/** A web page whose host name was rebound to 127.0.0.1 sends that host name; such calls are turned away. */
function rejectOtherHosts(host: string | undefined): void {
  const name = (host ?? '').replace(/:\d+$/, '');
  if (name === '127.0.0.1' || name === 'localhost') return;
  throw new GoogleError('PERMISSION_DENIED', 'The sandbox answers on 127.0.0.1 and localhost only.');
}

/** An error of the sandbox itself: its kind is said, its message (which may hold values) is not. */
function unexpected(error: unknown): GoogleError {
  const kind = error instanceof Error ? error.name : typeof error;
  const at =
    error instanceof Error ? /\(?(?:file:\/\/)?[^\s(]*\/(sandbox\/[^\s)]+)/.exec(error.stack ?? '')?.[1] : '';
  return new GoogleError('INTERNAL', `The sandbox failed: ${kind}${at ? ` at ${at}` : ''}.`);
}
