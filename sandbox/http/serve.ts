import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import fastify, { type FastifyReply } from 'fastify';
import { type Wire, wireOf } from '../discovery/wire.ts';
import { GoogleError } from '../errors/google-error.ts';
import type { Caller } from './caller.ts';
import type { AnswerHttp, GrpcServer } from './grpc/server.ts';
import { listenForBoth } from './port.ts';
import { Broken, type Call, type Json, parseJson, Reply, type Route, readJson, router } from './router.ts';

type Answer = Json | Reply;

export interface Listener {
  origin: string;
  port: number;
  close(): Promise<void>;
}

/** Says who makes a call. @throws GoogleError UNAUTHENTICATED or PERMISSION_DENIED */
export type Admit = (route: Route, call: Omit<Call, 'caller'>) => Caller | Promise<Caller>;

/** Carries out a call that was let in, under whatever rules of faults there are. */
export type CarryOut = (route: Route, call: Call) => Promise<Answer | Broken<Answer>>;

/**
 * Serves the routes on loopback only, to those whom `admit` lets in, and holds every request against Google's
 * description of its method. `port` 0 takes a free one.
 *
 * @throws Error for a route that Google's discovery documents do not have
 */
export async function listen(
  routes: readonly Route[],
  admit: Admit,
  port = 0,
  carryOut: CarryOut = async (route, call) => route.handle(call),
): Promise<Listener> {
  const find = router(routes);
  const wires = new Map(routes.map((route) => [route, wireOf(route)]));
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
  // What fastify itself rejects, a content type that is none for instance.
  app.setErrorHandler((_error, _request, reply) => {
    const failure = new GoogleError('INVALID_ARGUMENT', 'The request has a header that is not valid.');
    return reply.code(failure.code).send(failure.toJSON());
  });
  app.all('*', async (request, reply) => {
    let failed = (): void => {};
    try {
      rejectForeign(request.headers);
      const url = urlOf(request.raw.url ?? '/');
      const { route, params } = find(request.method, url.pathname);
      const seen: Omit<Call, 'caller'> = {
        method: request.method,
        url: request.raw.url ?? '/',
        params,
        query: url.searchParams,
        headers: request.headers,
        body: request.body as Readable | undefined,
        origin: `http://${request.headers.host}`,
        wire: wires.get(route) as Wire,
      };
      const call = { ...seen, caller: await admit(route, seen) };
      call.wire.query(call.query);
      // Also a body that its handler makes no use of; media, which may be long, stay a stream.
      if (!route.path.startsWith('/upload/')) await readJson(call);
      route.watch?.('received', params);
      failed = () => route.watch?.('failed', params);
      const answer = await carryOut(route, call);
      if (!(answer instanceof Broken)) return await sent(reply, answer);
      failed();
      reply.hijack();
      await breakOff(reply.raw, answer.half);
    } catch (error) {
      failed();
      const known = error instanceof GoogleError ? error : unexpected(error);
      return reply
        .code(known.code)
        .headers(known.headers)
        .type('application/json; charset=UTF-8')
        .send(JSON.stringify(known.toJSON()));
    }
  });
  await app.ready();
  const answerHttp: AnswerHttp = async ({ method, url, body }, authorization) => {
    const json = body === undefined ? {} : { payload: JSON.stringify(body) };
    const headers = {
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    try {
      const { statusCode, payload } = await app.inject({ method, url, headers, ...json });
      return { status: statusCode, body: parseJson(payload) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'LIGHT_ECONNRESET') return null;
      throw error;
    }
  };
  // Loaded with the first of its calls, since it takes as long to load as half of the rest.
  let grpc: Promise<GrpcServer> | undefined;
  const serveGrpc = async (connection: Socket): Promise<void> => {
    grpc ??= import('./grpc/server.ts').then(({ grpcServer }) => grpcServer(answerHttp));
    try {
      (await grpc).serve(connection);
    } catch {
      connection.destroy();
    }
  };
  const serveHttp = (connection: Socket): void => void app.server.emit('connection', connection);
  const listening = await listenForBoth(port, serveHttp, serveGrpc);
  return {
    origin: `http://127.0.0.1:${listening.number}`,
    port: listening.number,
    async close() {
      (await grpc?.catch(() => undefined))?.close();
      await listening.close();
      await app.close();
    },
  };
}

/** A target like `//` or `/\\` is the beginning of another host's URL, and may be none at all. */
function urlOf(target: string): URL {
  const base = 'http://sandbox.invalid';
  if (!URL.canParse(target, base)) throw new GoogleError('INVALID_ARGUMENT', 'Invalid request target.');
  return new URL(target, base);
}

function sent(reply: FastifyReply, answer: Answer): FastifyReply {
  const { status, headers, body } = plain(answer);
  return reply.code(status).headers(headers).send(body);
}

/** An answer as it goes over the wire. */
function plain(answer: Answer): Reply {
  const { status, headers, body } = answer instanceof Reply ? answer : new Reply(200, {}, answer);
  const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) || 'pipe' in body;
  const typed = 'content-type' in headers ? {} : { 'content-type': 'application/json; charset=UTF-8' };
  return new Reply(status, { ...headers, ...typed }, raw ? body : JSON.stringify(body));
}

/** Sends half of an answer that promised to be whole, or nothing, and ends the connection. */
async function breakOff(raw: ServerResponse, half: Answer | undefined): Promise<void> {
  if (half !== undefined) {
    const { status, headers, body } = plain(half);
    const bytes = await bytesOf(body);
    raw.writeHead(status, { ...headers, 'content-length': bytes.length });
    await new Promise((resolve) => raw.write(bytes.subarray(0, bytes.length / 2), resolve));
  }
  raw.destroy();
}

async function bytesOf(body: Reply['body']): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0);
  if (typeof body === 'string') return Buffer.from(body);
  return Buffer.isBuffer(body) ? body : Buffer.concat(await (body as Readable).toArray());
}

/**
 * A web page whose host name was rebound to 127.0.0.1 sends that host name, and any page that posts a form or fetches
 * something sends its origin: such calls are turned away. Google's clients send no origin.
 */
function rejectForeign({ host, origin }: IncomingHttpHeaders): void {
  const name = (host ?? '').replace(/:\d+$/, '');
  if ((name === '127.0.0.1' || name === 'localhost') && (origin === undefined || origin === `http://${host}`))
    return;
  throw new GoogleError('PERMISSION_DENIED', 'The sandbox answers on 127.0.0.1 and localhost only.');
}

/** An error of the sandbox itself: its kind is said, its message (which may hold values) is not. */
function unexpected(error: unknown): GoogleError {
  const kind = error instanceof Error ? error.name : typeof error;
  const at =
    error instanceof Error ? /\(?(?:file:\/\/)?[^\s(]*\/(sandbox\/[^\s)]+)/.exec(error.stack ?? '')?.[1] : '';
  return new GoogleError('INTERNAL', `The sandbox failed: ${kind}${at ? ` at ${at}` : ''}.`);
}
